"""Which pictures of each class are looked at; only references travel, the bytes are read where a model looks.

A picture in a Parquet file is far to reach, since all before it in its row group must be unpacked: those that are
looked at are copied out once, in one pass over each file, and the copies are removed when the run ends.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from syntrans.image_parquet import Row, read
from syntrans.images import decode, read_file
from syntrans.paths import atomic_write_bytes, make_dir
from syntrans_mining.engines.base import Picture

if TYPE_CHECKING:
    from pathlib import Path

    from PIL import Image

    from syntrans.image_parquet import Columns
    from syntrans.images import ImageRef


COPIES = ".pictures"
"""Folder of the copies, in that of the run."""


def choose_pictures(
    images: Mapping[str, Sequence[ImageRef]], *, per_class: int, seed: int, copies: Path | None = None
) -> dict[str, list[Picture]]:
    """At most ``per_class`` pictures of each class, by class id.

    Drawn by a hash of seed and content: the same pictures whatever the order of files, and a larger
    ``per_class`` takes the same ones and more. Copies of one picture count once. InputError names a broken one.
    With a folder ``copies`` those in Parquet files are copied there.
    """
    chosen: dict[str, list[ImageRef]] = {}
    for class_id, refs in images.items():
        distinct = {ref.sha256: ref for ref in refs}
        drawn = sorted(distinct, key=lambda sha256: _draw(seed, sha256))[:per_class]
        chosen[class_id] = [distinct[sha256] for sha256 in drawn]
    if copies is not None:
        chosen = _copied(chosen, copies)
    return {class_id: [_checked(ref) for ref in refs] for class_id, refs in chosen.items()}


def _copied(chosen: Mapping[str, Sequence[ImageRef]], folder: Path) -> dict[str, list[ImageRef]]:
    """The same, with those of Parquet files read from copies in ``folder``."""
    wanted: dict[tuple[Path, Columns], dict[int, str]] = {}
    for ref in (ref for refs in chosen.values() for ref in refs):
        if isinstance(ref.load, Row):
            wanted.setdefault((ref.load.path, ref.load.columns), {})[ref.load.number] = ref.sha256
    if wanted:
        make_dir(folder)
    for (path, columns), shas in wanted.items():
        for number, data in read(path, shas, columns):
            atomic_write_bytes(folder / shas[number], data)
    return {
        class_id: [
            ref._replace(load=partial(read_file, folder / ref.sha256)) if isinstance(ref.load, Row) else ref
            for ref in refs
        ]
        for class_id, refs in chosen.items()
    }


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
