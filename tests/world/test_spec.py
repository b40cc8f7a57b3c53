"""The world's classes are told apart by what is true of them, and always the same ones."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syntrans.contract.rows import FACETS
from syntrans_world.spec import (
    CLASSES,
    FACET_OF_SLOT,
    SLOTS,
    SPLIT_SIZES,
    VALUES,
    classes,
    distance,
    draw_names,
)

CODES = st.tuples(*(st.integers(0, len(VALUES[slot]) - 1) for slot in SLOTS))


def test_the_splits_have_their_sizes_and_stand_in_order() -> None:
    assert [entry.split for entry in CLASSES] == [split for split, n in SPLIT_SIZES.items() for _ in range(n)]


def test_drawing_again_gives_the_same_classes() -> None:
    assert classes.__wrapped__() == CLASSES


def test_every_slot_is_a_facet_of_the_contract() -> None:
    assert FACET_OF_SLOT.keys() == set(SLOTS)
    assert set(FACET_OF_SLOT.values()) <= set(FACETS)


@settings(max_examples=25)
@given(CODES, CODES, CODES)
def test_the_distance_is_a_metric(a: tuple[int, ...], b: tuple[int, ...], c: tuple[int, ...]) -> None:
    assert (distance(a, b) == 0) == (a == b)
    assert distance(a, b) == distance(b, a)
    assert distance(a, c) <= distance(a, b) + distance(b, c)


@pytest.mark.parametrize("seed", [0, 1])
def test_new_names_are_none_of_those_taken(seed: int) -> None:
    first = draw_names(random.Random(seed), 20)
    second = draw_names(random.Random(seed), 20, taken=frozenset(first))
    assert not set(first) & set(second)
