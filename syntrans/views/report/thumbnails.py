"""Small copies of pictures as data addresses, so that a page needs no other file."""

from __future__ import annotations

import base64
import io
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from syntrans.errors import InputError
from syntrans.images.decode import decode, read_file
from syntrans.images.image_set import match_classes, open_images

if TYPE_CHECKING:
    from PIL import Image

    from syntrans.classes.entries import ClassEntry
    from syntrans.images.columns import Columns

SMALL, LARGE = 224, 2048
"""Longest side in pixels; the large ones are as large as they are, up to more than most screens are wide."""


def of_file(path: Path, side: int) -> str | None:
    """The picture in a file; None where it is gone, or broken."""
    try:
        return _encoded(decode(read_file(path), str(path), at_least=side), side)
    except InputError:
        return None


def of_classes(
    source: str, classes: Sequence[ClassEntry], wanted: Collection[str], columns: Columns, side: int = 96
) -> dict[str, str]:
    """Those pictures of ``classes`` below ``source`` whose sha256 is ``wanted``; what is gone or broken is left out.

    InputError where nothing is at ``source``.
    """
    named = {text for entry in classes for text in (entry.id, entry.name)}
    matched = match_classes(open_images(source, columns=columns, named=named), classes)
    thumbnails = {}
    for picture in (one for pictures in matched.values() for one in pictures):
        if picture.sha256 in wanted and picture.sha256 not in thumbnails:
            try:
                thumbnails[picture.sha256] = _encoded(picture.image(side), side)
            except InputError:
                continue
    return thumbnails


def _encoded(picture: Image.Image, side: int) -> str:
    picture.thumbnail((side, side))
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
