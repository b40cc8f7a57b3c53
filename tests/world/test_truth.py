"""A statement is true of a class, false of it, or says nothing, and rows are scored by that."""

from __future__ import annotations

import math

import pytest

from syntrans_world.spec import CHATTER, CLASSES, GENERIC, PHRASES, SLOTS
from syntrans_world.truth import judge, score, slot_of, truth_slots

ONE, OTHER = CLASSES[0], CLASSES[1]


def true_rows(entry=ONE) -> list[tuple[str, str]]:
    return [(entry.id, PHRASES[slot][value][0]) for slot, value in entry.truth().items()]


@pytest.mark.parametrize("text", ["A Circle Shape.", "circle shape", "the circle shape ", "  a circle   shape"])
def test_case_article_and_full_stop_do_not_count(text: str) -> None:
    assert slot_of(text) == ("shape", "circle")


@pytest.mark.parametrize("text", [*GENERIC, *CHATTER, "", "a", "a circle", "not a circle shape"])
def test_what_is_no_statement_of_the_world_is_true_of_no_class(text: str) -> None:
    assert slot_of(text) is None
    assert not judge(ONE.id, text)


def test_a_statement_is_true_of_the_classes_that_have_the_value() -> None:
    for entry in CLASSES[:20]:
        for slot, values in PHRASES.items():
            said_true = [value for value, phrases in values.items() if judge(entry.id, phrases[1])]
            assert said_true == [truth_slots(entry.id)[slot]]


def test_all_that_is_true_has_full_marks() -> None:
    result = score(true_rows(), [ONE.id])
    assert (result.rows, result.precision, result.recall) == (len(SLOTS), 1.0, 1.0)


def test_a_slot_that_is_said_twice_counts_once_for_recall() -> None:
    slot, value = next(iter(ONE.truth().items()))
    result = score([(ONE.id, phrase) for phrase in PHRASES[slot][value]], [ONE.id])
    assert (result.rows, result.precision, result.recall) == (2, 1.0, pytest.approx(1 / len(SLOTS)))


def test_statements_of_another_class_are_wrong_where_they_differ() -> None:
    same = sum(ONE.truth()[slot] == OTHER.truth()[slot] for slot in SLOTS)
    moved = [(ONE.id, text) for _, text in true_rows(OTHER)]
    assert score(moved, [ONE.id]).precision == pytest.approx(same / len(SLOTS))


def test_rows_of_classes_that_are_not_scored_do_not_count() -> None:
    assert score([*true_rows(), (OTHER.id, "hard to say")], [ONE.id]).rows == len(SLOTS)
    assert score(true_rows(), [ONE.id, OTHER.id]).recall == 0.5


def test_nothing_has_no_score() -> None:
    assert math.isnan(score([], [ONE.id]).precision)
    assert score([], [ONE.id]).recall == 0.0


def test_a_class_of_elsewhere_has_no_truth() -> None:
    with pytest.raises(KeyError):
        truth_slots("n01440764")
