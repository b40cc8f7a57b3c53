"""Worker processes: who hosts what, that they answer like the inline host, and what their death leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
from processes import answers_kept

from syntrans.contract.reading import read_descriptors
from syntrans.errors import ModelLoadError
from syntrans_mining.engines.base import EngineCrashed, EngineSpec, Message, Request, Sampling
from syntrans_mining.engines.vllm import p_of_yes
from syntrans_mining.engines.workers.handle import WorkerHandle
from syntrans_mining.engines.workers.pool import Pool, PoolSettings, WorkerPlan
from syntrans_mining.run.output_files import MineResult

KILLED = """
import sys
from pathlib import Path
from syntrans.classes.entries import ClassEntry
from syntrans_mining.config import MiningConfig
from syntrans_mining.run.mine import mine

if __name__ == "__main__":
    config = MiningConfig.model_validate_json(sys.argv[1])
    entries = [ClassEntry(name, name) for name in ("heron", "ibis", "kestrel", "linnet")]
    mine(config, entries, None, Path(sys.argv[2]))
"""


def spec(name: str, **args: object) -> EngineSpec:
    return EngineSpec(name, "fake", name, args=args)


def question(number: int, model: str = "ann") -> Request:
    return Request(f"{model}{number}", model, (Message("user", f"question {number}"),), Sampling(1), yes_no=True)


@contextmanager
def one_worker(logs: Path, *specs: EngineSpec) -> Iterator[Pool]:
    pool = Pool([[WorkerPlan(specs)]], logs, settings=PoolSettings(backoff=(0.01, 0.01)))
    try:
        yield pool
    finally:
        pool.close()


def test_workers_answer_like_the_inline_host(
    run: Callable[..., MineResult], configure: Callable, tmp_path: Path
) -> None:
    inline = run(configure(), tmp_path / "inline")
    workers = run(configure(workers=2), tmp_path / "workers")
    assert read_descriptors(inline.descriptors)[0] == read_descriptors(workers.descriptors)[0]
    assert set(workers.run["load_seconds"]) == {"ann", "bob", "cleo", "eye", "clip"}


def test_a_model_that_does_not_load_is_named(tmp_path: Path) -> None:
    nowhere = EngineSpec("ann", "openai", "x", args={"base_url": "http://127.0.0.1:9/v1", "retries": 0})
    with (
        one_worker(tmp_path, nowhere) as pool,
        pytest.raises(ModelLoadError, match="'ann'"),
    ):
        list(pool.generate([question(1)]))


def test_a_worker_that_does_not_start_is_a_crash_and_no_hang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(self: WorkerHandle) -> None:
        raise EngineCrashed(f"{self.name} did not start")

    monkeypatch.setattr(WorkerHandle, "start", gone)
    with (
        one_worker(tmp_path, spec("ann")) as pool,
        pytest.raises(EngineCrashed, match=r"worker-0 did not start, 3 times in a row \(models: ann\)"),
    ):
        list(pool.generate([question(1)]))


@pytest.mark.parametrize(
    ("model", "forked"),
    [
        pytest.param(EngineSpec("ann", "vllm", "x"), {"worker-0": True, "worker-r0": True}, id="beside vLLM"),
        pytest.param(spec("ann"), {"worker-0": False, "worker-r0": False}, id="where nothing imports vLLM"),
        pytest.param(EngineSpec("ann", "vllm", "x", device="cuda"), {"worker-0": False, "worker-r0": False}, id="GPU"),
    ],
)
def test_an_encoder_on_the_processor_takes_what_the_fork_server_imported(
    model: EngineSpec, forked: dict[str, bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forks = {}

    class Started(WorkerHandle):
        def __init__(self, name, *given, fork, wants) -> None:
            forks[name] = fork
            super().__init__(name, *given)

        def start(self) -> None:
            raise ModelLoadError("nothing is loaded here")

    monkeypatch.setattr("syntrans_mining.engines.workers.pool.WorkerHandle", Started)
    monkeypatch.setattr("syntrans_mining.engines.workers.pool.fork_server", lambda *_: nullcontext())
    encoder = WorkerPlan((EngineSpec("clip", "clip", "x"),))
    Pool([[WorkerPlan((model,))]], tmp_path, resident=[encoder]).close()
    assert forks == forked


@pytest.mark.slow
def test_kill_minus_9_and_the_same_command_asks_nothing_twice(
    run: Callable[..., MineResult], configure: Callable, tmp_path: Path
) -> None:
    script, out = tmp_path / "mine.py", tmp_path / "out"
    script.write_text(KILLED)
    slow = configure({"delay": 0.02}, workers=1, engine={"kind": "fake", "workers": 1, "chunk": 4}, vlm=None)
    process = subprocess.Popen([sys.executable, str(script), slow.model_dump_json(), str(out)])
    deadline = time.monotonic() + 60
    while answers_kept(out) < 12 and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = answers_kept(out)
    assert before >= 12
    assert not (out / "descriptors.parquet").exists()
    finished = run(configure(vlm=None), out, images=None)
    models = [m for stage in finished.run["stages"].values() for m in stage["models"].values()]
    assert sum(m["from_journal"] for m in models) == before
    undisturbed = run(configure(vlm=None), tmp_path / "other", images=None)
    assert read_descriptors(finished.descriptors)[0] == read_descriptors(undisturbed.descriptors)[0]


def test_p_of_yes_sums_over_spellings() -> None:
    import math

    logprobs = {1: math.log(0.2), 2: math.log(0.1), 3: math.log(0.1), 9: math.log(0.6)}
    assert p_of_yes(logprobs, yes=[1, 2], no=[3, 4]) == pytest.approx(0.75)
    assert p_of_yes({9: -0.1}, yes=[1], no=[3]) == 0.5
