"""Numbers of the contract are as wide as its files keep them, and no wider."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from syntrans.contract.scalars import Cosine, Count, Float32, Hex16, Int32, Margin, Probability, Rank, float32, one_of


@settings(max_examples=30)
@given(st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_a_number_of_32_bits_stays_as_it_is(value: float) -> None:
    assert float32(value) == value


@settings(max_examples=30)
@given(st.floats(-1e30, 1e30))
def test_any_number_is_kept_as_a_file_would_keep_it(value: float) -> None:
    kept = float32(value)
    assert struct.pack("<f", kept) == struct.pack("<f", value)
    assert float32(kept) == kept


def test_a_number_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bits"):
        float32(1e39)


def test_a_text_is_one_of_those_named() -> None:
    check = one_of(("red", "blue"))
    assert check("red") == "red"
    with pytest.raises(ValueError, match="must be one of red, blue"):
        check("Red")


@pytest.mark.parametrize(
    ("kind", "fits", "does_not"),
    [
        (Probability, [0, 0.25, 1], [-0.01, 1.01, float("nan")]),
        (Cosine, [-1.0005, 1.0005], [1.01, float("inf")]),
        (Margin, [-2.0, 2.0], [2.01]),
        (Float32, [-1e30], [float("inf"), 1e39]),
        (Count, [0, 2**31 - 1], [-1, 2**31]),
        (Rank, [1], [0]),
        (Int32, [-(2**31)], [2**31]),
        (Hex16, ["0123456789abcdef"], ["0123456789ABCDEF", "0123", "0123456789abcdef0"]),
    ],
)
def test_ranges_end_where_the_columns_do(kind: Any, fits: list[object], does_not: list[object]) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    for value in fits:
        adapter.validate_python(value)
    for value in does_not:
        with pytest.raises(ValidationError):
            adapter.validate_python(value)
