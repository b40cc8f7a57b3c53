"""The request queue: who gets what, and what becomes of it when a worker dies or the run ends."""

from __future__ import annotations

import threading
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syntrans.errors import EnvironmentProblem
from syntrans_mining.engines.workers.calls import Calls, WorkItem

MODELS = ("ann", "bob", "cleo")


def items(models: Iterable[str]) -> list[WorkItem]:
    return [WorkItem(model, "generate", number) for number, model in enumerate(models)]


def following(calls: Calls, loaded: Iterable[str]) -> WorkItem | None:
    return calls.next("worker", set(loaded), idle=True, retired=lambda: False)


@settings(max_examples=50)
@given(st.lists(st.sampled_from(MODELS), max_size=12), st.sets(st.sampled_from(MODELS)))
def test_a_worker_gets_what_its_models_are_asked_in_the_order_of_asking(texts: list[str], loaded: set[str]) -> None:
    calls, work = Calls(), items(texts)
    calls.submit(work)
    taken = list(iter(lambda: following(calls, loaded), None))
    assert taken == [item for item in work if item.model in loaded]


@settings(max_examples=20)
@given(st.lists(st.sampled_from(MODELS), min_size=1, max_size=9))
def test_work_that_was_not_done_comes_first_again(texts: list[str]) -> None:
    calls, work = Calls(), items(texts)
    calls.submit(work)
    taken = following(calls, MODELS)
    assert taken is work[0]
    calls.put_back(taken)
    assert following(calls, MODELS) is taken


def test_requests_are_taken_by_model_and_a_call_of_another_kind_is_none() -> None:
    calls, vectors = Calls(), WorkItem("ann", "embed_texts", ["a"])
    calls.submit([vectors, *items(["ann"])])
    taken = calls.take("ann")
    assert taken is not None
    assert taken.method == "generate"
    assert calls.take("ann") is None
    assert following(calls, ["ann"]) is vectors


def test_the_parts_of_an_answer_come_until_its_end_and_an_error_is_raised() -> None:
    item = WorkItem("ann", "generate", [])
    for part in (("part", 1), ("part", 2), ("end", None)):
        item.parts.put(part)
    assert list(item.results()) == [1, 2]
    item.parts.put(("error", EnvironmentProblem("gone")))
    with pytest.raises(EnvironmentProblem, match="gone"):
        item.result()


def test_all_that_waits_and_all_that_comes_later_learns_of_a_failure() -> None:
    calls, (waiting, lost) = Calls(), items(["ann", "bob"])
    calls.submit([waiting])
    calls.fail(EnvironmentProblem("no memory"), [lost])
    for item in (waiting, lost):
        with pytest.raises(EnvironmentProblem, match="no memory"):
            item.result()
    with pytest.raises(EnvironmentProblem, match="no memory"):
        calls.submit(items(["cleo"]))


def test_the_first_failure_is_the_one_that_is_told_and_none_after_the_end() -> None:
    calls = Calls()
    calls.fail(EnvironmentProblem("first"))
    calls.fail(EnvironmentProblem("second"))
    assert str(calls.failure) == "first"
    closed = Calls()
    closed.close()
    closed.fail(EnvironmentProblem("late"))
    assert closed.failure is None


def test_another_group_begins_only_when_nobody_works_and_every_answer_was_read() -> None:
    calls, (first, second) = Calls(), items(["ann", "bob"])
    calls.submit([first, second])
    groups: list[str | None] = []
    thread = threading.Thread(target=lambda: groups.append(calls.wait_for_others(lambda: {"ann"})), daemon=True)
    thread.start()
    assert following(calls, ["ann"]) is first
    calls.deliver(first, ["an answer"])
    calls.finish("worker")
    thread.join(0.02)
    assert groups == []  # the answer may still be asked again
    calls.read(1)
    thread.join(10)
    assert groups == ["bob"]


@pytest.mark.parametrize("end", [Calls.close, lambda calls: calls.fail(EnvironmentProblem("gone"))])
def test_whoever_waits_for_another_group_is_woken_by_the_end(end) -> None:
    calls = Calls()
    thread = threading.Thread(target=calls.wait_for_others, args=(set,), daemon=True)
    thread.start()
    end(calls)
    thread.join(10)
    assert not thread.is_alive()


def test_a_worker_that_is_retired_or_of_a_closed_queue_gets_nothing() -> None:
    calls = Calls()
    calls.submit(items(["ann"]))
    assert calls.next("worker", {"ann"}, idle=False, retired=lambda: True) is None
    calls.close()
    assert calls.next("worker", {"ann"}, idle=False, retired=lambda: False) is None
