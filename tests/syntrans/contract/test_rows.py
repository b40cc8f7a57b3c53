"""What makes two statements the same one."""

from __future__ import annotations

import pytest

from syntrans.contract.rows import descriptor_id, normalise_text


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("A Red Breast.", "red breast"),
        ("  the   long\ttail ", "long tail"),
        ("anchor-shaped!", "anchor-shaped"),
        ("STRASSE", "strasse"),
        ("Straße", "strasse"),
        ("a", "a"),
    ],
)
def test_normalised_text_forgets_case_spaces_article_and_final_stop(raw: str, expected: str) -> None:
    assert normalise_text(raw) == expected


def test_an_id_depends_on_the_class_and_the_normalised_text_only() -> None:
    assert descriptor_id("crane", "A long neck.") == descriptor_id("crane", "long  neck")
    assert descriptor_id("crane", "long neck") != descriptor_id("heron", "long neck")
