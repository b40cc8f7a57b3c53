"""The keys of a config as a person sees them."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import Field

from syntrans.config import StrictModel
from syntrans.config.keys import Key, keys_of, value_at


class Model(StrictModel):
    """One model."""

    name: str = Field(description="Its name.")
    size: Annotated[int, Field(ge=1, le=9)] = 3


class Part(StrictModel):
    """A part."""

    rate: float = Field(0.5, gt=0, description="How fast.")
    mode: Literal["fast", "good"] = "good"


class Whole(StrictModel):
    models: tuple[Model, ...] = Field((), description="Models.")
    part: Part = Part(rate=2)
    other: Part | None = None
    pair: tuple[float, float] = (0.25, 1.0)
    steps: tuple[int | None, ...] = Field((None, 1), min_length=1)
    flag: bool = False


def test_a_section_stands_before_its_keys_and_tells_their_meaning_where_no_other_is_given() -> None:
    assert [key.name for key in keys_of(Whole)] == [
        "models", "models.N.name", "models.N.size", "part", "part.rate", "part.mode", "other", "other.rate",
        "other.mode", "pair", "steps", "flag",
    ]  # fmt: skip
    sections = {key.name: key.meaning for key in keys_of(Whole) if key.is_section}
    assert sections == {"models": "Models.", "part": "A part.", "other": "A part."}


@pytest.mark.parametrize(
    "expected",
    [
        Key("models.N.name", "Its name.", "text", None),
        Key("models.N.size", "", "a whole number from 1 to 9", "3"),
        Key("part.rate", "How fast.", "a number above 0", "2.0"),  # what the section around it says
        Key("other.rate", "How fast.", "a number above 0", "0.5"),
        Key("part.mode", "", "fast or good", "good"),
        Key("pair", "", "a list of 2, each a number", "[0.25, 1.0]"),
        Key("steps", "", "a list of at least 1, each a whole number or null", "[null, 1]"),
        Key("flag", "", "true or false", "false"),
    ],
    ids=lambda key: key.name,
)
def test_values_and_defaults_are_those_that_are_checked(expected: Key) -> None:
    assert next(key for key in keys_of(Whole) if key.name == expected.name) == expected


def test_a_value_is_found_by_its_key_in_every_item_of_a_list_and_in_no_section_that_is_null() -> None:
    values = {"models": [{"name": "a"}, {"name": "b"}], "part": {"rate": 2.5}, "other": None}
    assert [value_at(values, key) for key in ("models.N.name", "part.rate", "other.rate")] == ["a; b", "2.5", ""]
