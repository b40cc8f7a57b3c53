"""What names a configuration depends on what it says alone, not on how it is written."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from syntrans.files.semantic_hash import semantic_hash

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


class Small(BaseModel):
    name: str = "a"
    seed: int = 0


def turned(value: Any) -> Any:
    """The same value with every dictionary written in the other order."""
    if isinstance(value, dict):
        return {key: turned(inner) for key, inner in reversed(value.items())}
    return [turned(inner) for inner in value] if isinstance(value, list) else value


@settings(max_examples=20)
@given(PLAIN)
def test_the_order_of_keys_does_not_count(value: Any) -> None:
    assert semantic_hash(turned(value)) == semantic_hash(value)


@settings(max_examples=20)
@given(st.lists(st.integers(), min_size=2, max_size=4, unique=True))
def test_the_order_of_a_list_counts(values: list[int]) -> None:
    assert semantic_hash(values[::-1]) != semantic_hash(values)


def test_a_model_has_the_hash_of_its_values() -> None:
    assert semantic_hash(Small(seed=3)) == semantic_hash({"seed": 3, "name": "a"})
    assert semantic_hash(Small(seed=3)) != semantic_hash(Small(seed=4))


def test_a_number_is_no_text_of_it() -> None:
    assert len({semantic_hash(value) for value in (1, "1", [1], {"1": None}, True, None)}) == 6


def test_half_a_character_has_a_hash_too() -> None:
    assert len(semantic_hash("\ud83d")) == 16
