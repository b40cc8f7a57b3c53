"""Small copies of pictures as data addresses, so that a page needs no other file."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from syntrans.errors import InputError
from syntrans.images.columns import Columns
from syntrans.images.decode import decode, read_file
from syntrans.images.image_set import match_classes, open_images
from syntrans.images.parquet import Load, read

if TYPE_CHECKING:
    from PIL import Image

    from syntrans.classes.entries import ClassEntry

SMALL, LARGE = 224, 2048
"""Longest side in pixels; the large ones are as large as they are, up to more than most screens are wide."""
_ROW = re.compile(r"(.+), row (\d+)")  # where a picture of Parquet came from


def loads(origins: Sequence[str]) -> Iterator[tuple[int, Load]]:
    """The number of each picture that is still where it came from, and what gives its bytes.

    Files come first, then the rows of every Parquet file in its order, which is read once.
    """
    rows: dict[Path, dict[int, int]] = {}
    for number, origin in enumerate(origins):
        if Path(origin).is_file():
            yield number, partial(read_file, Path(origin))
        elif place := _ROW.fullmatch(origin):
            rows.setdefault(Path(place[1]), {})[int(place[2])] = number
    for file, numbers in rows.items():
        with suppress(InputError):  # it is gone, or another one by now
            for row, load in read(file, numbers, Columns(unlabelled=True)):
                yield numbers[row], load


def of_load(load: Load, side: int) -> str | None:
    """The picture of these bytes; None where it is broken."""
    try:
        return _encoded(decode(load(), at_least=side), side)
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
