"""YAML of strangers is read as plain values, and never grows beyond what its text lets one expect."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from syntrans.files.bounded_yaml import MAX_CHARACTERS, MAX_DEPTH, MAX_VALUES, parse_yaml

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=20)
@given(PLAIN)
def test_what_was_written_comes_back(value: Any) -> None:
    assert parse_yaml(yaml.safe_dump(value)) == value


@settings(max_examples=20)
@given(st.text(max_size=60))
def test_any_text_is_a_value_or_one_line_of_what_is_wrong(text: str) -> None:
    problem = ""
    try:
        parse_yaml(text)
    except ValueError as error:
        problem = str(error)
    assert "\n" not in problem


def test_lists_may_be_as_deep_as_the_bound_and_no_deeper() -> None:
    deep = MAX_DEPTH - 1
    assert parse_yaml("[" * deep + "]" * deep) is not None
    with pytest.raises(ValueError, match=f"deeper than {MAX_DEPTH}"):
        parse_yaml("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1))


def test_aliases_count_as_what_they_stand_for() -> None:
    values = ", ".join("x" for _ in range(200))
    assert len(parse_yaml(f"a: &a [{values}]\nb: [*a, *a]")["b"]) == 2
    with pytest.raises(ValueError, match="with every alias written out"):
        parse_yaml(f"a: &a [{values}]\nb: [{', '.join(['*a'] * (MAX_VALUES // 200))}]")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2", "key 'a' given twice"),
        ("a: &a [*a]", "inside its own anchor"),
        ("!!python/object/apply:os.getcwd []", "could not determine a constructor"),
        ("a: [", "expected the node content"),
        ("x" * (MAX_CHARACTERS + 1), "longer than"),
        ("!!int [1]", "not of plain values|expected a scalar node"),
    ],
)
def test_what_is_no_plain_value_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_yaml(text)


def test_a_merge_key_may_stand_beside_the_keys_that_it_brings() -> None:
    assert parse_yaml("base: &b {a: 1, b: 2}\nmore:\n  <<: *b\n  b: 3")["more"] == {"a": 1, "b": 3}
