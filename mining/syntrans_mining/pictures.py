"""Which pictures of each class are looked at, read once and passed on as they are on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from syntrans_mining.engines.base import Picture

if TYPE_CHECKING:
    from syntrans.images import ImageRef


def choose_pictures(images: Mapping[str, Sequence[ImageRef]], *, per_class: int, seed: int) -> dict[str, list[Picture]]:
    """At most ``per_class`` pictures of each class, by class id.

    Drawn by a hash of seed and content: the same pictures whatever the order of files, and a larger
    ``per_class`` takes the same ones and more. Copies of one picture count once.
    """
    chosen: dict[str, list[Picture]] = {}
    for class_id, refs in images.items():
        distinct = {ref.sha256: ref for ref in refs}
        drawn = sorted(distinct, key=lambda sha256: _draw(seed, sha256))[:per_class]
        chosen[class_id] = [Picture(sha256, distinct[sha256].load()) for sha256 in drawn]
    return chosen


def _draw(seed: int, sha256: str) -> str:
    return hashlib.sha256(f"{seed}\n{sha256}".encode()).hexdigest()
