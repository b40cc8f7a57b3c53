"""Long texts: divided so that every part is read, and nothing is lost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syntrans.windows import mean_vectors, windows


def words(text: str) -> int:
    """Tokens of a simple encoder: one for each word of up to four letters, more for longer ones, and two marks."""
    return 2 + sum(-(-len(word) // 4) for word in text.split())


def test_a_text_that_fits_is_one_window_and_stays_as_it_is() -> None:
    assert windows("a  red breast ", words, 12) == ["a  red breast "]


def test_a_long_text_is_divided_into_parts_of_equal_length() -> None:
    text = " ".join(f"w{i}" for i in range(21))
    parts = windows(text, words, 12)
    assert " ".join(parts) == text
    assert [len(part.split()) for part in parts] == [7, 7, 7]


def test_a_text_without_blanks_is_divided_between_characters() -> None:
    text = "赤い胸と白い腹と長い尾を持つ鳥" * 3
    parts = windows(text, lambda part: len(part) + 2, 12)
    assert "".join(parts) == text
    assert max(len(part) for part in parts) <= 10


@given(st.text(alphabet="ab 鳥\n", max_size=400), st.integers(3, 40))
def test_every_part_fits_and_no_letter_is_lost(text, limit) -> None:
    parts = windows(text, words, limit)
    assert all(words(part) <= limit for part in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())


def test_a_huge_text_needs_few_looks_at_it() -> None:
    looks = []

    def count(text: str) -> int:
        looks.append(len(text))
        return words(text)

    text = "a" * 3000 + " b" * 20_000
    assert "".join("".join(windows(text, count, 77)).split()) == "a" * 3000 + "b" * 20_000
    assert sum(looks) < 200 * len(text)


def test_the_vector_of_windows_is_their_mean_made_unit() -> None:
    vectors = np.array([[1, 0], [0, 1], [0.6, 0.8]], np.float32)
    means = mean_vectors(vectors, [2, 1])
    assert means[0] == pytest.approx([0.5**0.5, 0.5**0.5])
    assert means[1].tobytes() == vectors[2].tobytes()
