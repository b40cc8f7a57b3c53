"""Texts that are no descriptors go, and near duplicates become one."""

from __future__ import annotations

import numpy as np
import pytest
from candidates import candidate

from syntrans_mining.steps import merge
from syntrans_mining.steps.candidate import kept

BIRDS = ("heron", "ibis", "House-finch", "kitchen knife", "butterfly")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "malformed"),
        ("42 !!", "malformed"),
        ("one two three four five six", "malformed"),
        ("wings <|im_end|>", "malformed"),
        ("see https://x.org", "malformed"),
        ("a heron beak", "names_class"),
        ("larger than Ibises", "names_class"),
        ("like a house-finch", "names_class"),
        ("an ibis", "names_class"),
        ("spots of a house finch", "names_class"),
        ("the housefinch's red", "names_class"),
        ("smaller than kitchen knives", "names_class"),
        ("resembling butterflies", "names_class"),
        ("an ibis red bill", None),
        ("a sheronette frill", None),
        ("grey wings", None),
    ],
)
def test_texts_are_checked(text: str, reason: str | None) -> None:
    row = candidate(text)
    merge.check_texts([row], BIRDS, max_words=5)
    assert row.reason == reason


def test_near_duplicates_join_the_best_supported_one() -> None:
    rows = [candidate("grey wings"), candidate("wings of grey", "bob", "cleo"), candidate("long legs")]
    vectors = np.array([[1, 0], [0.99, 0.14], [0, 1]], dtype=np.float32)
    merge.merge_duplicates(rows, vectors, similarity=0.95)
    assert [row.reason for row in rows] == ["duplicate_of", None, None]
    assert [row.row().duplicate_of for row in rows] == [rows[1].id, None, None]
    assert rows[1].author_models == {"ann", "bob", "cleo"}
    assert rows[1].authors[-1].raw == "grey wings"


def test_the_same_words_about_two_classes_are_two_statements() -> None:
    rows = [candidate("grey wings"), candidate("grey wings", class_id="ibis")]
    merge.merge_duplicates(rows, np.ones((2, 1), dtype=np.float32), similarity=0.9)
    assert len(kept(rows)) == 2
