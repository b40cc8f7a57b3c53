"""A picture is reduced to what a model may see, and keeps its shape."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from syntrans_mining.engines.picture_size import fit


@settings(max_examples=30)
@given(st.integers(1, 120), st.integers(1, 120), st.integers(1, 5000))
def test_a_reduced_picture_has_at_most_so_many_pixels(width: int, height: int, most: int) -> None:
    reduced = fit(Image.new("RGB", (width, height)), most)
    assert reduced.width * reduced.height <= most
    assert min(reduced.size) >= 1


@pytest.mark.parametrize("most", [None, 100 * 60, 10**6])
def test_a_picture_that_fits_is_left_alone(most: int | None) -> None:
    image = Image.new("RGB", (100, 60))
    assert fit(image, most) is image


@pytest.mark.parametrize("size", [(5000, 1), (1, 5000)])
def test_a_line_of_pixels_is_reduced_too(size: tuple[int, int]) -> None:
    reduced = fit(Image.new("RGB", size), 50)
    assert reduced.width * reduced.height <= 50


def test_the_shape_is_kept() -> None:
    assert fit(Image.new("RGB", (200, 100)), 200).size == (20, 10)
