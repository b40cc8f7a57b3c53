"""Keys of earlier versions: refused when a person writes them, renamed when a run has saved them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

import pytest

from syntrans.config import Gone, Renamed, StrictModel, from_values, load_saved, read_saved
from syntrans.errors import UsageError


class Part(StrictModel):
    old_keys: ClassVar[Mapping[str, Renamed | Gone]] = {"speed": Renamed("rate"), "colour": Gone("nothing is painted")}
    old_values: ClassVar[Mapping[str, Mapping[str, str]]] = {"mode": {"quick": "fast"}}

    rate: float = 1.0
    mode: Literal["fast", "good"] = "good"


class Whole(StrictModel):
    part: Part = Part()
    parts: tuple[Part, ...] = ()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"part": {"speed": 2}}, "x: part.speed was renamed to rate"),
        ({"parts": [{}, {"speed": 2}]}, "x: parts.1.speed was renamed to rate"),
        ({"part": {"colour": "red"}}, "x: part.colour is gone: nothing is painted"),
        ({"part": {"mode": "quick"}}, "x: part.mode: quick was renamed to fast"),
    ],
)
def test_a_person_is_told_what_became_of_an_old_key(values: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError) as refused:
        from_values(Whole, values, source="x")
    assert str(refused.value) == message


def test_what_was_saved_under_old_names_is_read_under_new_ones() -> None:
    saved = {"part": {"speed": 2, "colour": "red", "mode": "quick"}, "parts": [{"speed": 3}]}
    assert read_saved(Whole, saved) == Whole(part=Part(rate=2, mode="fast"), parts=(Part(rate=3),))


def test_a_saved_file_with_a_key_that_never_was_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("part: {speed: 2, sped: 3}\n")
    with pytest.raises(UsageError, match=r"config\.yaml: unknown key 'part\.sped'"):
        load_saved(Whole, tmp_path / "config.yaml")
