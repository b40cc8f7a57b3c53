"""A run that was stopped, or is asked for again, goes on where it stopped and asks nothing twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syntrans.contract.reading import read_descriptors
from syntrans.errors import PartialResult
from syntrans_mining.engines.base import EngineCrashed
from syntrans_mining.run.output_files import MineResult

Run = Callable[..., MineResult]


def test_the_same_command_again_asks_nothing_and_writes_the_same(run: Run, configure: Callable) -> None:
    first = run(configure())
    before = first.descriptors.read_bytes()
    second = run(configure())
    n_asked = [m["asked"] for stage in second.run["stages"].values() for m in stage["models"].values()]
    assert sum(n_asked) == 0
    assert second.descriptors.read_bytes() == before


def test_a_run_whose_every_answer_is_known_starts_no_engine(
    run: Run, configure: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(configure())
    before = first.descriptors.read_bytes()

    def refuse(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("an engine was started")

    monkeypatch.setattr("syntrans_mining.run.context.make_host", refuse)
    again = run(configure())
    assert again.descriptors.read_bytes() == before
    assert again.run["loads"] == first.run["loads"]


def test_no_resume_asks_everything_again(run: Run, configure: Callable) -> None:
    run(configure())
    again = run(configure(), resume=False)
    models = [m for stage in again.run["stages"].values() for m in stage["models"].values()]
    assert sum(m["from_journal"] for m in models) == 0


def test_other_thresholds_use_the_same_answers(run: Run, configure: Callable) -> None:
    run(configure(crosscheck={"threshold": 0.0}))
    stricter = run(configure(crosscheck={"threshold": 0.6}))
    models = [m for stage in stricter.run["stages"].values() for m in stage["models"].values()]
    assert sum(m["asked"] for m in models) == 0


@pytest.fixture
def undisturbed(run: Run, configure: Callable, tmp_path: Path) -> MineResult:
    """The same run when nothing happens to it."""
    return run(configure(), tmp_path / "undisturbed" / "run")


def _asked(result: MineResult) -> int:
    return sum(model["asked"] for stage in result.run["stages"].values() for model in stage["models"].values())


@pytest.mark.slow
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(points=st.lists(st.integers(0, 40), min_size=1, max_size=3))
def test_a_run_that_dies_anywhere_ends_up_the_same_and_asks_nothing_twice(
    run: Run,
    configure: Callable,
    undisturbed: MineResult,
    points: list[int],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    out = tmp_path_factory.mktemp("died") / "run"
    kept = 0
    for point in points:
        try:
            run(configure({"crash_after": point}), out)
            kept = _asked(undisturbed)
        except EngineCrashed:
            kept = _answers(out)
            assert not (out / "descriptors.parquet").exists()
    finished = run(configure(), out)
    assert _asked(finished) + kept == _asked(undisturbed)
    assert read_descriptors(finished.descriptors)[0] == read_descriptors(undisturbed.descriptors)[0]


def test_a_crash_is_a_partial_result_with_exit_code_6(run: Run, configure: Callable) -> None:
    with pytest.raises(PartialResult) as caught:
        run(configure({"crash_after": 3}))
    assert caught.value.exit_code == 6


def test_ctrl_c_leaves_the_journal_and_no_final_file(
    run: Run, configure: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_args: object, **_kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("syntrans_mining.steps.crosscheck.crosscheck", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(configure())
    assert sorted(p.name for p in (tmp_path / "out").iterdir() if not p.name.startswith(("journal", "."))) == [
        "legs.json"
    ]
    assert _answers(tmp_path / "out") == 24


def _answers(out: Path) -> int:
    from syntrans_mining.requests.response_cache import ResponseCache

    journal = ResponseCache(out / "journal.sqlite")
    try:
        return journal.count()
    finally:
        journal.close()


def test_seconds_and_tokens_of_a_run_that_was_stopped_are_those_of_all_its_legs(
    run: Run, configure: Callable, tmp_path: Path
) -> None:
    straight = run(configure(), out=tmp_path / "straight").run
    with pytest.raises(EngineCrashed):
        run(configure({"crash_after": 3}), out=tmp_path / "stopped")
    legs = json.loads((tmp_path / "stopped" / "legs.json").read_text())
    resumed = run(configure(), out=tmp_path / "stopped").run
    for stage, values in straight["stages"].items():
        for model, counts in values["models"].items():
            other = resumed["stages"][stage]["models"][model]
            assert other["prompt_tokens"] == counts["prompt_tokens"] > 0
            assert other["completion_tokens"] == counts["completion_tokens"]
    assert resumed["wall_seconds"] > legs["wall"] > 0
    assert resumed["stages"]["propose"]["seconds"] > legs["stage propose"] > 0
