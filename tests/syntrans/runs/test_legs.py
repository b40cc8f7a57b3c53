"""Seconds of a run that was stopped: the sum of its legs."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from syntrans.runs.legs import LEGS, Clock, Legs


def clocked(
    monkeypatch: pytest.MonkeyPatch, folder, *, begin: float, end: float, error: BaseException | None = None
) -> dict[str, float]:
    """One leg that works on `train` from `begin` to `end` by the clock, and may fail there."""
    times = iter([begin, end])
    monkeypatch.setattr("syntrans.runs.legs.time.monotonic", lambda: next(times))
    clock = Clock(Legs(folder))
    with clock.clock("train"):
        if error:
            raise error
    return clock.totals()


def test_a_run_that_was_stopped_and_went_on_took_what_its_legs_took_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(KeyboardInterrupt):
        clocked(monkeypatch, tmp_path, begin=0.0, end=100.0, error=KeyboardInterrupt())
    assert clocked(monkeypatch, tmp_path, begin=500.0, end=520.0) == {"train": 120.0}


def test_saving_twice_counts_once(tmp_path: Path) -> None:
    legs = Legs(tmp_path)
    legs.save({"wall": 3.0})
    legs.save({"wall": 5.0})
    assert Legs(tmp_path).total("wall") == 5.0


def test_a_stage_of_an_earlier_leg_that_this_one_skips_keeps_its_seconds(tmp_path: Path) -> None:
    Legs(tmp_path).save({"propose": 7.0})
    Legs(tmp_path).save({"filter": 2.0})
    assert Legs(tmp_path).total("propose") == 7.0


@settings(max_examples=50)
@given(seconds=st.floats(min_value=0.0, max_value=1e6))
@example(seconds=5.4849)  # 5.48; rounded to 5.485 when kept, it was shown as 5.49 by the next leg
def test_a_leg_that_does_nothing_changes_no_sum(seconds) -> None:
    with tempfile.TemporaryDirectory() as folder:  # one for each example: a fixture would serve all of them
        first = Legs(Path(folder) / "empty")
        Legs(Path(folder)).save({"load": seconds})
        shown = first.totals({"load": seconds})
        assert Legs(Path(folder)).totals({}) == shown


@pytest.mark.parametrize("damage", ["", "[1]", "{", '{"wall": null, "train": "x", "a": -1, "b": NaN, "c": true}'])
def test_a_damaged_file_counts_for_nothing(tmp_path: Path, damage: str) -> None:
    (tmp_path / LEGS).write_text(damage)
    assert [Legs(tmp_path).total(name) for name in ("wall", "train", "a", "b", "c")] == [0.0] * 5
    Legs(tmp_path).save({"wall": 1.0})
    assert json.loads((tmp_path / LEGS).read_text()) == {"wall": 1.0}
