"""A page's columns are numbers, and each number leads back to what it stands for."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syntrans.views.report.columns import NONE, Numbered, thousandths


@settings(max_examples=30)
@given(st.lists(st.none() | st.text(max_size=3), max_size=12))
def test_numbers_lead_back_to_the_values(values: list[str | None]) -> None:
    distinct: Numbered[str] = Numbered()
    numbers = [distinct.number(value) for value in values]
    assert [None if n == NONE else distinct.values[n] for n in numbers] == values
    assert len(distinct.values) == len(set(values) - {None})


def test_values_have_their_numbers_in_the_order_of_first_use() -> None:
    distinct: Numbered[str] = Numbered()
    assert [distinct.number(value) for value in ("b", "a", None, "b")] == [0, 1, NONE, 0]


@pytest.mark.parametrize(
    ("value", "number"),
    [(0.0, 0), (1.0, 1000), (0.1234, 123), (-0.25, -250), (None, None), (math.nan, None), (math.inf, None)],
)
def test_a_probability_is_kept_in_thousandths(value: float | None, number: int | None) -> None:
    assert thousandths(value) == number
