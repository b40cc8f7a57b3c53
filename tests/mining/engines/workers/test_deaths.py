"""SIGTERM ends a run as Ctrl-C does; after SIGKILL nothing of it lives on, and the next start clears what it left."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from processes import SOON, answers_kept, in_session, shared_memory, until

from syntrans.cli import app as cli
from syntrans.errors import EnvironmentProblem
from syntrans.files import scratch
from syntrans.files.scratch import PREFIX, scratch_folder

FAKE = """
llms: [{name: a, path: a, args: {delay: 0.05}}, {name: b, path: b, args: {faults: {ibis: hang}}}]
clip: {path: fake}
engine: {kind: fake, workers: 2, chunk: 4}
"""


# Short, since the path of a worker's socket must be; one a test, in which a second run finds what the first left.
_TMP: defaultdict[Path, str] = defaultdict(lambda: tempfile.mkdtemp(prefix="t"))


class Mining:
    """`syntrans mine` in a session of its own; its temporary files are in ``tmp``.

    Without ``arguments`` it has two workers, one of which hangs at last.
    """

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.out, self.tmp, self.before = folder / "out", Path(_TMP[folder]), shared_memory()
        (folder / "fake.yaml").write_text(FAKE)
        (folder / "birds.txt").write_text("heron\nibis\n")
        fake = ("--config", str(folder / "fake.yaml"), "--classes", str(folder / "birds.txt"))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "syntrans.cli.app", "mine", *(arguments or fake), "--out", str(self.out)],
            env={**os.environ, "TMPDIR": str(self.tmp)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def kill(self, number: int) -> tuple[int, str]:
        os.kill(self.process.pid, number)
        _, said = self.process.communicate(timeout=SOON)
        return self.process.returncode, said

    def alone(self) -> bool:
        """Whether nothing of it lives on, nor lies in shared memory."""
        return not in_session(self.process.pid) and shared_memory() <= self.before

    def end(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.communicate()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Mining]]:
    with ExitStack() as stack:

        def go(*arguments: str) -> Mining:
            run = Mining(tmp_path, *arguments)
            stack.callback(run.end)
            return run

        yield go


@pytest.fixture
def mining(start: Callable[..., Mining]) -> Mining:
    return start()


@pytest.mark.slow
def test_sigterm_ends_a_run_with_130_and_leaves_no_process_and_no_temporary_file(
    mining: Mining, request: pytest.FixtureRequest
) -> None:
    assert until(lambda: answers_kept(mining.out) > 0)
    begin = time.monotonic()
    code, said = mining.kill(signal.SIGTERM)
    assert code == 130
    assert "interrupted; the same command goes on from here" in said
    assert "Traceback" not in said
    assert until(mining.alone, SOON), in_session(mining.process.pid)
    request.node.user_properties.append(("seconds", time.monotonic() - begin))
    assert list(mining.tmp.iterdir()) == []


@pytest.mark.slow
def test_after_sigkill_the_workers_end_and_the_next_start_clears_what_was_left(
    start: Callable[..., Mining], request: pytest.FixtureRequest
) -> None:
    mining = start()
    assert until(lambda: answers_kept(mining.out) > 0)
    begin = time.monotonic()
    mining.kill(signal.SIGKILL)
    assert until(mining.alone, SOON), in_session(mining.process.pid)
    request.node.user_properties.append(("seconds", time.monotonic() - begin))
    left = list(mining.tmp.iterdir())
    assert [path.name.startswith(PREFIX) for path in left] == [True]
    again = start()
    assert until(lambda: [path.name[: len(PREFIX)] for path in set(again.tmp.iterdir()) - set(left)] == [PREFIX])
    assert again.kill(signal.SIGTERM)[0] == 130
    assert list(again.tmp.iterdir()) == []


@pytest.mark.vllm
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("world_in_cache")
@pytest.mark.parametrize(("number", "code", "left"), [(signal.SIGTERM, 130, 0), (signal.SIGKILL, -9, 1)])
def test_no_process_is_left_when_it_ends_while_the_fork_server_imports_vllm(
    number: int, code: int, left: int, start: Callable[..., Mining]
) -> None:
    run = start("--config", "world", "--limit", "2")
    started = lambda: any("forkserver" in command for command in in_session(run.process.pid))  # noqa: E731
    until(lambda: started() or run.process.poll() is not None, seconds=300)
    assert run.process.poll() is None, run.process.communicate()[1]
    assert run.kill(number)[0] == code
    assert until(run.alone, SOON), in_session(run.process.pid)
    assert len(list(run.tmp.glob(f"{PREFIX}*"))) == left  # torch's cache is to stay


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_command_is_interrupted_by_what_ends_programs(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def end() -> int:
        os.kill(os.getpid(), number)
        time.sleep(10)
        return 0

    before = {each: signal.signal(each, signal.SIG_DFL) for each in (signal.SIGTERM, signal.SIGHUP)}
    monkeypatch.setattr(cli, "app", lambda **_: end())
    try:
        with pytest.raises(SystemExit) as ended:
            cli.main()
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    assert ended.value.code == 130


def test_a_program_that_was_started_to_ignore_a_signal_goes_on_ignoring_it(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    monkeypatch.setattr(cli, "run", lambda: 0)
    try:
        with pytest.raises(SystemExit):
            cli.main()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@pytest.fixture
def scratch_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(scratch, "LONGEST", 1000)  # pytest's own folders are long
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_where_tmpdir_leaves_no_room_for_a_sockets_name_scratch_folders_are_in_tmp(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / ("a" * 60)))
    with scratch_folder() as folder:
        assert folder.parent == Path("/tmp")


def test_a_scratch_folder_in_use_is_left_alone_and_an_abandoned_one_is_removed(scratch_root: Path) -> None:
    abandoned, foreign = scratch_root / f"{PREFIX}abandoned", scratch_root / "somebody-else"
    for folder in (abandoned, foreign):
        folder.mkdir()
    with scratch_folder() as first, scratch_folder() as second:
        assert first.is_dir()
        assert second.is_dir()
        assert not abandoned.exists()
    assert list(scratch_root.iterdir()) == [foreign]


def test_a_folder_whose_process_died_before_it_locked_it_is_removed_an_hour_later(scratch_root: Path) -> None:
    died, begins = scratch_root / f"new-{PREFIX}died", scratch_root / f"new-{PREFIX}begins"
    for folder in (died, begins):
        folder.mkdir()
    os.utime(died, (0, 0))
    scratch.remove_abandoned()
    assert list(scratch_root.iterdir()) == [begins]


def test_where_there_are_no_locks_scratch_folders_still_work(
    scratch_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(fcntl, "flock", refuse)
    with scratch_folder() as folder:
        assert folder.is_dir()
    assert list(scratch_root.iterdir()) == []


def test_no_place_for_temporary_files_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "LONGEST", 1000)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(EnvironmentProblem, match="set TMPDIR"), scratch_folder():
        pass
