"""Full disks, clocks that go backwards, two runs in one folder: nothing that was answered is lost."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from syntrans.cli.app import run as command
from syntrans.contract.reading import read_descriptors
from syntrans.errors import EnvironmentProblem
from syntrans.runs.lock import lock
from syntrans_mining.run.output_files import MineResult

Run = Callable[..., MineResult]

# Runs again and again in a folder that has room for ever more, and says how each attempt ended and what it asked.
ATTEMPTS = """
import json, os, resource, sys
from pathlib import Path
from syntrans.classes.entries import ClassEntry
from syntrans.errors import EnvironmentProblem
from syntrans_mining.requests.dispatcher import Dispatcher
from syntrans_mining.config import MiningConfig
from syntrans_mining.run.mine import mine
from syntrans.progress import Silent

config, out, kind = MiningConfig.model_validate_json(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
entries = [ClassEntry(name, name) for name in ("heron", "ibis", "kestrel", "linnet")]
asked, ends = [], []
count = Dispatcher._count
Dispatcher._count = lambda self, *args: (asked.append(args[-1].id), count(self, *args))
ballast = out.parent / "ballast"
for step in range(100):
    if kind == "room":
        free = 20_000 + 20_000 * step
        ballast.write_bytes(b"")
        ballast.unlink()
        stat = os.statvfs(out.parent)
        ballast.write_bytes(bytes(max(0, stat.f_bavail * stat.f_frsize - free)))
    if kind == "limit":
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000 * 2**step, resource.RLIM_INFINITY))
    try:
        mine(config, entries, None, out, progress=Silent())
    except EnvironmentProblem as error:
        ends.append(str(error))
        continue
    break
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
files = {name: (out / name).read_bytes().hex() for name in ("descriptors.parquet", "semantics.parquet")}
print(json.dumps({"asked": asked, "ends": ends, "files": files}))
"""


def attempts(config: str, out: Path, kind: str, before: list[str]) -> dict:
    command = [*before, sys.executable, "-c", ATTEMPTS, config, str(out), kind]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def small_filesystem(folder: Path) -> list[str]:
    """How to begin a command that sees a filesystem of 3 MB at ``folder``; skips where that is not permitted."""
    mount = ["unshare", "--mount", "--map-root-user", "sh", "-c"]
    mount.append(f"mount -t tmpfs -o size=3m none '{folder}' && exec \"$@\"")
    tried = shutil.which("unshare") and subprocess.run([*mount, "sh", "true"], check=False, capture_output=True)
    if not tried or tried.returncode:
        pytest.skip("this machine lets nobody mount a small filesystem")
    return [*mount, "sh"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["room", "limit"])
def test_a_full_disk_ends_with_a_line_and_costs_no_answer(
    kind: str, run: Run, configure: Callable, tmp_path: Path
) -> None:
    whole = run(configure(vlm=None), tmp_path / "whole" / "run", images=None)
    (tmp_path / "small").mkdir()
    before = small_filesystem(tmp_path / "small") if kind == "room" else []
    outcomes = attempts(configure(vlm=None).model_dump_json(), tmp_path / "small" / "run", kind, before)
    assert len(outcomes["ends"]) >= 2
    assert all("cannot write" in end and "\n" not in end for end in outcomes["ends"])
    assert bytes.fromhex(outcomes["files"]["descriptors.parquet"]) == whole.descriptors.read_bytes()
    assert bytes.fromhex(outcomes["files"]["semantics.parquet"]) == whole.semantics.read_bytes()
    # What could not be kept was asked again: one answer an attempt, and no other.
    assert len(outcomes["asked"]) - len(set(outcomes["asked"])) <= len(outcomes["ends"])


def test_a_clock_that_goes_backwards_changes_nothing(
    run: Run, configure: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(configure(), tmp_path / "whole" / "run")
    now = [time.time()]

    def backwards() -> float:
        now[0] -= 3600.0
        return now[0]

    monkeypatch.setattr(time, "time", backwards)
    monkeypatch.setattr(time, "time_ns", lambda: int(backwards() * 1e9))
    for point in (3, 6):
        with pytest.raises(Exception, match="crashed as told"):
            run(configure({"crash_after": point}), tmp_path / "back" / "run")
    again = run(configure(), tmp_path / "back" / "run")
    assert again.descriptors.read_bytes() == whole.descriptors.read_bytes()


def test_an_unfinished_run_is_found_by_a_clock_of_the_day_before(
    tmp_path: Path, artifacts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class DayBefore(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now() - timedelta(days=1)

    (tmp_path / "birds.txt").write_text("heron\nibis\n")
    arguments = ["mine", "--config", str(tmp_path / "fake.yaml"), "--classes", str(tmp_path / "birds.txt")]
    (tmp_path / "fake.yaml").write_text(
        "llms: [{name: a, path: a, args: {crash_after: 3}}, {name: b, path: b}]\n"
        "clip: {path: fake}\nengine: {kind: fake, workers: 0}\n"
    )
    assert command(arguments) == 6
    monkeypatch.setattr("syntrans.paths.datetime", DayBefore)
    assert command(arguments) == 0
    assert len(list((artifacts / "mine").iterdir())) == 1


def test_the_second_of_two_processes_is_refused_with_the_pid_of_the_first(tmp_path: Path) -> None:
    holding = "import sys; from pathlib import Path; from syntrans.runs.lock import lock\n"
    holding += "with lock(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    other = subprocess.Popen(
        [sys.executable, "-c", holding, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    with pytest.raises(EnvironmentProblem, match=rf"in use by another run \(pid {other.pid}\)"), lock(tmp_path):
        pass
    other.kill()
    other.communicate()
    with lock(tmp_path):  # a killed run's lock is gone with it
        assert (tmp_path / ".lock").read_text() == str(os.getpid())


def test_a_pid_that_somebody_else_has_by_now_locks_nothing(run: Run, configure: Callable, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".lock").write_text(str(os.getppid()))
    assert read_descriptors(run(configure()).descriptors)[0]


def test_a_filesystem_without_locks_is_said_to_be_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(EnvironmentProblem, match=r"cannot lock .*No locks available"), lock(tmp_path):
        pass


def test_what_a_killed_run_left_half_written_is_removed(run: Run, configure: Callable, tmp_path: Path) -> None:
    rest = tmp_path / "out" / ".descriptors.parquet.123-ab12.tmp"
    rest.parent.mkdir()
    rest.write_bytes(b"PAR1")
    run(configure())
    assert not rest.exists()
