"""How a worker process ended is told in words; a real kill for lack of memory is told from a crash."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from syntrans_mining.engines.base import EngineCrashed, EngineSpec, Message, Request, Sampling
from syntrans_mining.engines.workers import deaths, handle
from syntrans_mining.engines.workers.pool import Pool, PoolSettings, WorkerPlan


@pytest.mark.parametrize(
    ("code", "before", "after", "words"),
    [
        (9, 0, 0, "died (exit code 9)"),
        (None, 0, 0, "died (exit code None)"),
        (-11, 0, 5, "died (SIGSEGV)"),
        (-9, 3, 4, "was killed for lack of memory (6.0 GiB were planned for it"),
        (-9, 3, 3, "was killed (SIGKILL) by somebody, or for lack of memory (6.0 GiB"),
        (-9, None, None, "was killed (SIGKILL) by somebody, or for lack of memory (6.0 GiB"),
    ],
)
def test_a_death_is_told_in_words(
    code: int | None, before: int | None, after: int | None, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deaths, "oom_kills", lambda: after)
    assert deaths.death(code, 6 << 30, oom_before=before).startswith(words)


def test_this_systems_count_of_kills_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deaths, "STATISTICS", tmp_path / "vmstat")
    assert deaths.oom_kills() is None
    (tmp_path / "vmstat").write_text("nr_free_pages 7\noom_kill 12\n")
    assert deaths.oom_kills() == 12


def test_a_worker_killed_for_lack_of_memory_ends_the_run_with_6_and_names_what_was_planned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handle, "oom_kills", lambda: 0)
    monkeypatch.setattr(deaths, "oom_kills", lambda: 1)
    spec = EngineSpec("ann", "fake", "ann", args={"faults": {"heavy": "killed"}})
    pool = Pool([[WorkerPlan((spec,), wants=6 << 30)]], tmp_path, settings=PoolSettings(backoff=()))
    try:
        request = Request("id", "ann", (Message("user", "heavy"),), Sampling(1))
        with pytest.raises(
            EngineCrashed, match=r"lack of memory \(6\.0 GiB were planned for it; .*ann.*goes on"
        ) as end:
            list(pool.generate([request]))
    finally:
        pool.close()
    assert end.value.exit_code == 6


@pytest.fixture
def limited() -> Iterator[Callable[[int, int], None]]:
    """Puts a process into a control group of its own with so many bytes of memory."""
    root = Path("/sys/fs/cgroup")
    first = (root / "memory" / "memory.limit_in_bytes").exists()
    folder = (root / "memory" if first else root) / f"syntrans-test-{os.getpid()}"
    names = ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes") if first else ("memory.max", "memory.swap.max")

    def put(pid: int, limit: int) -> None:
        (folder / names[0]).write_text(str(limit))
        if (folder / names[1]).exists():
            (folder / names[1]).write_text(str(limit if first else 0))
        (folder / "cgroup.procs").write_text(str(pid))

    try:
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made here ({error.strerror})")
    try:
        if not (folder / names[0]).exists():
            pytest.skip("control groups do not limit memory here")
        yield put
    finally:
        while (folder / "cgroup.procs").read_text():
            time.sleep(0.01)
        folder.rmdir()


def test_a_worker_that_the_system_really_kills_for_lack_of_memory_is_told_from_one_that_crashed(
    tmp_path: Path, limited: Callable[[int, int], None]
) -> None:
    spec = EngineSpec("ann", "fake", "ann", args={"faults": {"heavy": "hungry"}})
    pool = Pool([[WorkerPlan((spec,), wants=6 << 30)]], tmp_path, settings=PoolSettings(backoff=()))

    def requests_of(text: str) -> list[object]:
        return list(pool.generate([Request(text, "ann", (Message("user", text),), Sampling(1))]))

    before = deaths.oom_kills()
    try:
        requests_of("light")
        (worker,) = multiprocessing.active_children()
        limited(worker.pid or 0, 256 << 20)
        with pytest.raises(EngineCrashed, match=r"was killed for lack of memory \(6\.0 GiB were planned for it; "):
            requests_of("heavy")
    finally:
        pool.close()
    assert before is not None
    assert (deaths.oom_kills() or 0) > before
