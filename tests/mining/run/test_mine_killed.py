"""A run that is killed at any moment and started again ends as if nothing had happened, and asks nothing twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kill_points import Death, Killed

from syntrans_mining.run.output_files import MineResult

Run = Callable[..., MineResult]
FILES = ("descriptors.parquet", "semantics.parquet")


@pytest.fixture
def death(monkeypatch: pytest.MonkeyPatch) -> Death:
    """Every question, every answer kept, every file synced, renamed or removed is a moment to die at."""
    death = Death()
    for owner, name, guarded in death.patches():
        monkeypatch.setattr(owner, name, guarded)
    return death


@pytest.fixture
def small(run: Run, configure: Callable, entries: list, images: dict) -> Callable[[Path], MineResult]:
    """Three classes, two models, two pictures of each class; about one class both models refuse to speak."""
    config = configure(
        llms=[
            {"name": name, "path": name, "args": {"faults": {"recognise ibis": "refuse"}}} for name in ("ann", "bob")
        ],
        propose={"samples": 2, "tries": 2},
        ground={"threshold": 0.3, "images": 2},
        filter={"margin": -1.0, "images": 2, "budget": 3},
    )
    two = {entry.id: images[entry.id][:2] for entry in entries[:3]}
    return lambda out: run(config, out, classes=entries[:3], images=two)


def contents(out: Path) -> dict[str, bytes]:
    return {name: (out / name).read_bytes() for name in FILES}


def die_and_go_on(small: Callable, death: Death, out: Path, points: Sequence[int]) -> None:
    """Run ``small`` in ``out``, dying at each of ``points`` in turn, and then to its end."""
    death.forget()
    for point in points:
        death.live(at=point)
        try:
            small(out)
        except Killed:
            continue
    death.live()
    small(out)


@pytest.mark.slow
def test_whatever_the_moment_of_its_death_a_run_ends_the_same(small: Callable, death: Death, tmp_path: Path) -> None:
    whole = tmp_path / "whole" / "run"
    small(whole)
    expected, questions, n_events = contents(whole), sorted(death.asked), death.events
    assert n_events >= 250, n_events
    assert len(set(questions)) == len(questions)
    for point in range(n_events + 1):
        out = tmp_path / str(point) / "run"
        die_and_go_on(small, death, out, [point])
        assert contents(out) == expected
        assert death.twice == 0
        # One question more than needed at most: the one that was answered and not yet kept.
        assert len(death.asked) - len(questions) in {0, 1}
        assert set(death.asked) == set(questions)
        assert list(out.glob(".*.tmp")) == []


quick = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def whole(small: Callable, death: Death, tmp_path: Path) -> dict[str, bytes]:
    """The files of the same run when nothing happens to it."""
    death.live()
    small(tmp_path / "whole" / "run")
    return contents(tmp_path / "whole" / "run")


@pytest.mark.slow
@quick
@given(points=st.lists(st.integers(0, 320), min_size=1, max_size=6))
def test_a_run_that_dies_again_and_again_ends_the_same_and_asks_nothing_twice(
    small: Callable, whole: dict, death: Death, points: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    out = tmp_path_factory.mktemp("kills") / "run"
    die_and_go_on(small, death, out, points)
    assert contents(out) == whole
    assert death.twice == 0
    assert len(death.asked) - len(set(death.asked)) <= len(points)
