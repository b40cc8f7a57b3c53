"""What is said about a class list before anybody is asked about its classes."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from syntrans.classes.entries import ClassEntry, slug
from syntrans.classes.lint import homonyms, lint, normalised, require_clean
from syntrans.errors import InputError


def findings(*names: str | ClassEntry) -> set[tuple[str, str]]:
    entries = [name if isinstance(name, ClassEntry) else ClassEntry(slug(name), name) for name in names]
    return {(finding.level, finding.rule) for finding in lint(entries)}


def test_ordinary_names_give_no_finding() -> None:
    assert findings("goldfinch", "house finch", "wolf") == set()


def test_the_same_name_in_other_spelling_is_an_error() -> None:
    assert ("error", "duplicate_name") in findings(
        ClassEntry("a", "House_Finch"), ClassEntry("b", "the house-finch"), "wolf"
    )


def test_two_lines_with_one_id_are_an_error() -> None:
    assert ("error", "duplicate_id") in findings(ClassEntry("x", "wolf"), ClassEntry("x", "lamb"))


def test_the_same_line_twice_is_an_error() -> None:
    assert ("error", "duplicate_name") in findings("wolf", "wolf")


@pytest.mark.parametrize(
    "pair",
    [
        (ClassEntry("n02012849", "crane"), ClassEntry("n03126707", "crane")),
        (ClassEntry("crane-1", "crane", "a bird"), ClassEntry("crane-2", "crane", "a machine")),
    ],
)
def test_wnids_or_definitions_settle_one_name_of_two_things(pair: tuple[ClassEntry, ClassEntry]) -> None:
    assert findings(*pair) == {("warning", "same_name")}


@pytest.mark.parametrize(
    ("names", "rule"),
    [
        (("bear", "polar bear"), "name_in_name"),
        (("crane", "wolf"), "ambiguous"),
        (("The Sunglasses", "wolf"), "ambiguous"),
        (("cat", "cats"), "plural_twin"),
        (("wolf", "Wolves"), "plural_twin"),
        (("house mouse", "house mice"), "plural_twin"),
        (("glove", "gloves"), "plural_twin"),
        (("kitchen knife", "kitchen knives"), "plural_twin"),
        (("berry", "berries"), "plural_twin"),
        (("finch", "finches"), "plural_twin"),
        (("n02012849", "wolf"), "wnid_as_name"),
        (("house_finch", "wolf"), "file_like"),
        (("001.Albatross", "wolf"), "file_like"),
        (("wo\N{ZERO WIDTH SPACE}lf", "lamb"), "odd_characters"),
        (("e\N{COMBINING ACUTE ACCENT}lan", "lamb"), "odd_characters"),
        (("wolf",), "one_class"),
    ],
)
def test_what_will_hurt_later_is_a_warning(names: tuple[str, ...], rule: str) -> None:
    assert findings(*names) == {("warning", rule)}


@pytest.mark.parametrize("pair", [("bus", "walrus"), ("glass", "glasses of wine"), ("iris", "iri"), ("boss", "bos")])
def test_what_only_ends_like_a_plural_is_no_twin(pair: tuple[str, str]) -> None:
    assert "plural_twin" not in {rule for _, rule in findings(*pair)}


def test_one_class_under_two_lists_of_names_is_an_error() -> None:
    assert ("error", "shared_synonym") in findings("missile", "projectile, missile", "wolf")
    settled = ClassEntry("n03773504", "missile"), ClassEntry("n04008634", "projectile, missile")
    assert findings(*settled, "wolf") == set()


def test_the_same_homonym_twice_is_an_error_that_says_its_senses() -> None:
    finding_pair = lint([ClassEntry("a", "crane"), ClassEntry("b", "Crane")])
    assert finding_pair[0].level == "error"
    assert "wading bird" in finding_pair[0].message
    assert "machine that lifts" in finding_pair[0].message


@pytest.mark.parametrize("entry", [ClassEntry("n02012849", "crane"), ClassEntry("crane", "crane", "a bird")])
def test_a_wnid_or_a_definition_settles_a_homonym(entry: ClassEntry) -> None:
    assert findings(entry, "wolf") == set()


def test_every_known_homonym_has_two_senses_and_a_normalised_name() -> None:
    for name, senses in homonyms().items():
        assert name == normalised(name)
        assert len(senses) >= 2, name


@pytest.mark.parametrize("pair", [("St. Bernard", "St Bernard"), ("polar bear", "Polar_Bear"), ("A.", "a")])
def test_names_that_differ_in_case_and_separators_only_are_an_error_that_names_both(pair: tuple[str, str]) -> None:
    entries = [ClassEntry(slug(name), name) for name in (*pair, "wolf")]
    with pytest.raises(InputError, match=f"'{re.escape(pair[0])}'.*'{re.escape(pair[1])}'"):
        require_clean(entries)


def test_a_long_list_is_looked_through_whole() -> None:
    names = [f"bird {first}{second} {n}" for first in "abcdefghij" for second in "abcdefghij" for n in range(210)]
    entries = [ClassEntry(slug(name), name) for name in [*names, "bird", "bird aa"]]
    others = {finding.entries[0]: len(finding.entries) - 1 for finding in lint(entries)}
    assert len(entries) == 21_002
    assert others == {"bird": 21_001, "bird-aa": 210}


WORDS = ("letter", "number", "figure")


def steps(entries: list[ClassEntry]) -> int:
    """How many instructions `lint` takes: the same on every machine, however busy."""
    count = 0

    def trace(frame: FrameType, event: str, _: Any) -> Callable[..., Any]:
        nonlocal count
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        assert lint(entries) == []
    finally:
        sys.settrace(before)
    return count


def test_twice_the_names_take_twice_the_steps_not_four_times() -> None:
    # Other words each time, for what is known of the first costs nothing; before, what is read once only.
    numbered = {word: [ClassEntry(f"name-{word}-{i}", f"name {word} {i}") for i in range(100, 500)] for word in WORDS}
    steps(numbered["letter"][:2])
    assert steps(numbered["figure"]) < 2.02 * steps(numbered["number"][:200])


def test_all_names_that_hold_a_name_are_found_among_many() -> None:
    entries = [
        ClassEntry(slug(name), name) for name in ("bear", "polar bear", "bear cub", "the white polar bear", "bearing")
    ]
    holders = {f.entries[0]: f.entries[1:] for f in lint(entries) if f.rule == "name_in_name"}
    assert holders == {
        "bear": ("polar-bear", "bear-cub", "the-white-polar-bear"),
        "polar-bear": ("the-white-polar-bear",),
    }


def test_a_name_inside_a_word_is_no_name_in_a_name() -> None:
    assert findings("ant", "elephant") == set()


def test_errors_come_first_and_stop_a_run() -> None:
    entries = [ClassEntry("a", "bear"), ClassEntry("b", "polar bear"), ClassEntry("c", "Bear")]
    assert lint(entries)[0].level == "error"
    with pytest.raises(InputError, match="'bear', 'Bear': the same name 2 times"):
        require_clean(entries)
