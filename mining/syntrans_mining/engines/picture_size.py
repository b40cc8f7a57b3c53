"""Pictures reduced to at most ``max_pixels`` before a model sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image


def fit(image: Image.Image, max_pixels: int | None) -> Image.Image:
    """The picture with at most ``max_pixels`` pixels in all, its shape kept; itself where it fits."""
    width, height = image.size
    if max_pixels is None or width * height <= max_pixels:
        return image
    scale = (max_pixels / (width * height)) ** 0.5
    # Of a line of pixels one side stays 1, so that the other alone must not have too many.
    return image.resize((min(max(1, int(width * scale)), max_pixels), min(max(1, int(height * scale)), max_pixels)))
