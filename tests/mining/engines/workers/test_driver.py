"""What a worker's death costs: a restart, the one request that killed it, or in the end the run."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from syntrans_mining.engines.base import EngineCrashed, EngineSpec, Message, Request, Response, Sampling
from syntrans_mining.engines.workers.handle import WorkerHandle
from syntrans_mining.engines.workers.pool import Pool, PoolSettings, WorkerPlan


def question(text: str, model: str = "ann") -> Request:
    return Request(f"{model} {text}", model, (Message("user", text),), Sampling(1), yes_no=True)


def ask(pool: Pool, *texts: str, model: str = "ann") -> dict[str, Response]:
    return {response.id: response for response in pool.generate([question(text, model) for text in texts])}


@contextmanager
def pool_of(
    logs: Path, *specs: EngineSpec, chunk: int = 256, say: Callable[[str], None] = lambda _: None
) -> Iterator[Pool]:
    settings = PoolSettings(chunk=chunk, backoff=(0.01, 0.01))
    pool = Pool([[WorkerPlan(specs)]], logs, settings=settings, say=say)
    try:
        yield pool
    finally:
        pool.close()


def fake(name: str = "ann", **args: Any) -> EngineSpec:
    return EngineSpec(name, "fake", name, args=args)


def numbered(n: int) -> list[str]:
    return [f"question {number}" for number in range(n)]


def test_a_request_that_kills_the_process_gets_an_error_and_the_others_their_answers(tmp_path: Path) -> None:
    said: list[str] = []
    with pool_of(tmp_path, fake(hard=True, faults={"poison": "die"}), say=said.append) as pool:
        texts = [*numbered(20), "poison", *(f"{text}?" for text in numbered(20))]
        answers = ask(pool, *texts)
        assert {key for key, answer in answers.items() if answer.error} == {"ann poison"}
        assert "died over this request, twice" in (answers["ann poison"].error or "")
        assert not answers["ann poison"].transient
        assert len(answers) == 41
        assert pool.loads == {"ann": 3}
    assert len(said) == 2
    assert "exit code 9" in said[0]


def test_poisoned_requests_side_by_side_do_not_stop_the_others(tmp_path: Path) -> None:
    faults = {f"poison{i}": "die" for i in range(3)}
    with pool_of(tmp_path, fake(hard=True, faults=faults)) as pool:
        answers = ask(pool, *faults, *numbered(5))
    assert {key for key, answer in answers.items() if answer.error} == {f"ann {text}" for text in faults}


def test_a_poisoned_request_with_nothing_beside_it_is_found_out_too(tmp_path: Path) -> None:
    with pool_of(tmp_path, fake(hard=True, faults={"poison": "die"})) as pool:
        assert ask(pool, "poison")["ann poison"].error
        assert ask(pool, "fine")["ann fine"].error is None


def test_an_answer_begins_the_count_of_restarts_again(tmp_path: Path) -> None:
    with pool_of(tmp_path, fake(hard=True, faults={"poison": "die"}), chunk=1) as pool:
        answers = ask(pool, *(f"{text} {kind}" for text in numbered(4) for kind in ("poison", "fine")))
    assert sum(answer.error is not None for answer in answers.values()) == 4


def test_a_process_that_stays_dead_ends_the_run_with_6_and_says_how_to_go_on(tmp_path: Path) -> None:
    got: list[Response] = []
    with pool_of(tmp_path, fake(crash_after=0, hard=True)) as pool:
        with pytest.raises(
            EngineCrashed, match=r"3 times in a row \(models: ann\); .* the same command goes"
        ) as caught:
            got.extend(pool.generate([question(text) for text in numbered(10)]))
        assert caught.value.exit_code == 6
        assert got == []  # nobody is blamed: the model never worked
        with pytest.raises(EngineCrashed):
            ask(pool, "anything")


def test_a_crash_of_one_model_costs_the_others_of_its_worker_a_load_and_no_answer(tmp_path: Path) -> None:
    with pool_of(tmp_path, fake("ann", hard=True, faults={"poison": "die"}), fake("bob")) as pool:
        requests = [question("poison"), *(question(text, "bob") for text in numbered(30))]
        answers = {response.id: response for response in pool.generate(requests)}
    assert [key for key, answer in answers.items() if answer.error] == ["ann poison"]
    assert len(answers) == 31


def test_an_encoder_that_dies_is_asked_again(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    clip = EngineSpec("clip", "fake-clip", "clip", args={"crash_once": str(marker)})
    with pool_of(tmp_path, clip) as pool:
        assert pool.embed("clip", "embed_texts", ["a", "b"]).result().vectors.shape == (2, 32)
    assert marker.exists()


def test_a_message_that_nobody_took_leaves_no_view_of_its_bytes_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = multiprocessing.Pipe()
    theirs.close()
    dead = SimpleNamespace(exitcode=-9, join=lambda timeout: None)
    context = SimpleNamespace(Pipe=lambda: (ours, theirs), Process=lambda **_: dead)
    monkeypatch.setattr(multiprocessing, "get_context", lambda _: context)
    with ours, pytest.raises(EngineCrashed) as caught:
        WorkerHandle("worker-0", tmp_path / "worker-0.log", {}).send("last")
    cause = caught.value.__cause__
    assert isinstance(cause, BrokenPipeError)
    assert cause.__traceback__ is None
