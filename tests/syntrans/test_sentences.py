"""Descriptors become the clauses that DCLIP's own code makes of them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syntrans.sentences import fill, which


@pytest.mark.parametrize(
    ("text", "clause"),
    [
        ("a long beak", "which is a long beak"),
        ("antlers", "which is antlers"),
        ("has a red breast", "which has a red breast"),
        ("often near water", "which often near water"),
        ("typically brown", "which typically brown"),
        ("may be spotted", "which may be spotted"),
        ("can fly", "which can fly"),
        ("used for cutting", "which is used for cutting"),
        ("four legs", "which has four legs"),
        ("", "which has "),
    ],
)
def test_a_clause_is_that_of_the_published_rule(text: str, clause: str) -> None:
    assert which(text) == clause


@settings(max_examples=30)
@given(st.text(max_size=20))
def test_a_clause_always_ends_with_the_descriptor(text: str) -> None:
    assert which(text).startswith("which ")
    assert which(text).endswith(text)


def test_a_template_takes_each_of_its_places() -> None:
    assert fill("{name}, {which}", text="four legs", name="fox") == "fox, which has four legs"
    assert fill("{text}", text="a {name} in braces", name="fox") == "a {name} in braces"


def test_a_place_that_no_template_has_is_an_error() -> None:
    with pytest.raises(KeyError):
        fill("{colour}", text="", name="")
