"""Which pictures of each class are looked at; only references travel, the bytes are read where a model looks."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from syntrans.images import decode
from syntrans_mining.engines.base import Picture

if TYPE_CHECKING:
    from PIL import Image

    from syntrans.images import ImageRef


def choose_pictures(images: Mapping[str, Sequence[ImageRef]], *, per_class: int, seed: int) -> dict[str, list[Picture]]:
    """At most ``per_class`` pictures of each class, by class id.

    Drawn by a hash of seed and content: the same pictures whatever the order of files, and a larger
    ``per_class`` takes the same ones and more. Copies of one picture count once. InputError names a broken one.
    """
    chosen: dict[str, list[Picture]] = {}
    for class_id, refs in images.items():
        distinct = {ref.sha256: ref for ref in refs}
        drawn = sorted(distinct, key=lambda sha256: _draw(seed, sha256))[:per_class]
        chosen[class_id] = [_checked(distinct[sha256]) for sha256 in drawn]
    return chosen


def fit(image: Image.Image, max_pixels: int | None) -> Image.Image:
    """The picture with at most ``max_pixels`` pixels in all, its shape kept; itself where it fits."""
    width, height = image.size
    if max_pixels is None or width * height <= max_pixels:
        return image
    scale = (max_pixels / (width * height)) ** 0.5
    return image.resize((max(1, int(width * scale)), max(1, int(height * scale))))


def _checked(ref: ImageRef) -> Picture:
    """A reference to the picture; a broken one is named now, not after an hour of proposals."""
    decode(ref.load(), ref.origin)
    return Picture(ref.sha256, ref.load)


def _draw(seed: int, sha256: str) -> str:
    return hashlib.sha256(f"{seed}\n{sha256}".encode()).hexdigest()
