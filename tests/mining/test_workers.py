"""Worker processes: who hosts what, that they answer like the inline host, and what their death leaves."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from syntrans.contract import read_descriptors
from syntrans.errors import ModelLoadError
from syntrans_mining.engines.base import EngineCrashed, EngineSpec, Message, Request, Sampling
from syntrans_mining.engines.pool import Pool, place
from syntrans_mining.engines.vllm import p_of_yes, quiet_environment
from syntrans_mining.engines.worker import WorkerHandle
from syntrans_mining.pipeline import MineResult

KILLED = """
import sys
from pathlib import Path
from syntrans.classes import ClassEntry
from syntrans_mining.config import MiningConfig
from syntrans_mining.pipeline import mine

if __name__ == "__main__":
    config = MiningConfig.model_validate_json(sys.argv[1])
    entries = [ClassEntry(name, name) for name in ("heron", "ibis", "kestrel", "linnet")]
    mine(config, entries, None, Path(sys.argv[2]))
"""


def spec(name: str, **args: object) -> EngineSpec:
    return EngineSpec(name, "fake", name, args=args)


def question(number: int, model: str = "ann") -> Request:
    return Request(f"{model}{number}", model, (Message("user", f"question {number}"),), Sampling(1), yes_no=True)


def test_engines_go_to_the_emptiest_workers_and_encoders_to_their_own() -> None:
    specs = [*map(spec, "abcv"), EngineSpec("clip", "clip", "c")]
    placed = place(specs, {"v": 2}, 2)
    assert [[s.name for s in worker] for worker in placed] == [["a", "c", "v"], ["b", "v"], ["clip"]]
    assert [[s.name for s in worker] for worker in place(specs[:1], {}, 4)] == [["a"]]


def test_workers_answer_like_the_inline_host(
    run: Callable[..., MineResult], configure: Callable, tmp_path: Path
) -> None:
    inline = run(configure(), tmp_path / "inline")
    workers = run(configure(workers=2), tmp_path / "workers")
    assert read_descriptors(inline.descriptors)[0] == read_descriptors(workers.descriptors)[0]
    assert set(workers.run["load_seconds"]) == {"ann", "bob", "cleo", "eye", "clip"}


def test_a_worker_that_dies_is_a_crash_and_what_came_before_is_there(tmp_path: Path) -> None:
    pool = Pool([[spec("ann", crash_after=100, hard=True)]], tmp_path, chunk=8)
    got = []
    try:
        with pytest.raises(EngineCrashed, match=r"worker 0 died \(exit code 9"):
            got.extend(pool.generate([question(number) for number in range(200)]))
        assert len(got) >= 96
        with pytest.raises(EngineCrashed):
            list(pool.generate([question(1)]))
    finally:
        pool.close()


def test_a_model_that_does_not_load_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_handle: object, *_message: object) -> None:
        raise ModelLoadError("model 'ann': broken")

    monkeypatch.setattr(WorkerHandle, "call", refuse)
    pool = Pool([[spec("ann")]], tmp_path)
    try:
        with pytest.raises(ModelLoadError, match="'ann': broken"):
            list(pool.generate([question(1)]))
    finally:
        pool.close()


def test_a_worker_that_does_not_start_is_a_crash_and_no_hang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone:
        pid = None

        def start(self) -> None:
            raise EOFError("unexpected EOF")

    monkeypatch.setattr("syntrans_mining.engines.pool.make_worker", lambda *_, **__: handle)
    handle = WorkerHandle(0, multiprocessing.get_context("spawn"), tmp_path / "worker-0.log")
    handle._process = Gone()
    pool = Pool([[spec("ann")]], tmp_path)
    try:
        with pytest.raises(EngineCrashed, match="worker 0 did not start"):
            list(pool.generate([question(1)]))
    finally:
        pool.close()


@pytest.mark.slow
def test_kill_minus_9_and_the_same_command_asks_nothing_twice(
    run: Callable[..., MineResult], configure: Callable, tmp_path: Path
) -> None:
    script, out = tmp_path / "mine.py", tmp_path / "out"
    script.write_text(KILLED)
    slow = configure({"delay": 0.02}, workers=1, engine={"kind": "fake", "workers": 1, "chunk": 4}, vlm=None)
    process = subprocess.Popen([sys.executable, str(script), slow.model_dump_json(), str(out)])
    deadline = time.monotonic() + 60
    while _answers(out) < 12 and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = _answers(out)
    assert before >= 12
    assert not (out / "descriptors.parquet").exists()
    finished = run(configure(vlm=None), out, images=None)
    models = [m for stage in finished.run["stages"].values() for m in stage["models"].values()]
    assert sum(m["from_journal"] for m in models) == before
    undisturbed = run(configure(vlm=None), tmp_path / "other", images=None)
    assert read_descriptors(finished.descriptors)[0] == read_descriptors(undisturbed.descriptors)[0]


def _answers(out: Path) -> int:
    import sqlite3

    try:
        db = sqlite3.connect(f"file:{out / 'journal.sqlite'}?mode=ro", uri=True)
        count = int(db.execute("SELECT count(*) FROM answers").fetchone()[0])
        db.close()
    except sqlite3.Error:
        return 0
    return count


def test_p_of_yes_sums_over_spellings() -> None:
    import math

    logprobs = {1: math.log(0.2), 2: math.log(0.1), 3: math.log(0.1), 9: math.log(0.6)}
    assert p_of_yes(logprobs, yes=[1, 2], no=[3, 4]) == pytest.approx(0.75)
    assert p_of_yes({9: -0.1}, yes=[1], no=[3]) == 0.5


def test_the_environment_of_an_engine_is_private_and_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("VLLM_NO_USAGE_STATS", "VLLM_HOST_IP", "VLLM_ENABLE_V1_MULTIPROCESSING", "DO_NOT_TRACK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("VLLM_DP_RANK", "3")
    monkeypatch.setattr(os, "environ", dict(os.environ))
    quiet_environment()
    assert "VLLM_DP_RANK" not in os.environ
    assert os.environ["VLLM_NO_USAGE_STATS"] == os.environ["DO_NOT_TRACK"] == "1"
    assert os.environ["VLLM_HOST_IP"] == "127.0.0.1"
