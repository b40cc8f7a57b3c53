"""Pictures of any layout: `open_images` finds them, `ImageRef.image` decodes one, `decode_each` many.

What a layout is stands in `images.layouts`, which files count in `images.files`, which formats and limits in
`images.decode`.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from syntrans.classes.match import match, nearest
from syntrans.errors import InputError
from syntrans.images.columns import ANY, Columns
from syntrans.images.decode import decode, read_file
from syntrans.images.folders import FilePool
from syntrans.images.hub import PREFIX
from syntrans.images.layouts import loose_pool, named_parts, whole_pool
from syntrans.images.reference import ImageRef, PassedOver, Picture, Pool

if TYPE_CHECKING:
    from PIL import Image

    from syntrans.classes.entries import ClassEntry

__all__ = [
    "ImageRef",
    "ImageSet",
    "class_keys",
    "decode",
    "decode_each",
    "match_classes",
    "open_images",
    "read_file",
]

_AHEAD = min(8, os.cpu_count() or 1)  # pictures that are decoded at once; each may take 200 MB


class ImageSet(Mapping[str, "list[Picture]"]):
    """Pictures by class key, in a stable order; a class is listed and hashed when it is first asked for.

    ``source`` is where they are. Nothing is decoded, and nothing held in memory.
    """

    def __init__(
        self, source: str, pool: Pool, loose: Pool, *, limit: int | None = None, by_class: bool = True
    ) -> None:
        self.source, self._pool, self._loose, self._limit, self._by_class = source, pool, loose, limit, by_class
        self._keys = dict.fromkeys(sorted(pool.keys))
        self._found: dict[str, list[Picture]] = {}
        self._left_out: Sequence[str] = ()

    def __getitem__(self, key: str) -> list[Picture]:
        if key not in self._keys:
            raise KeyError(key)
        self.look_up([key])
        return self._found[key]

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def look_up(self, keys: Iterable[str]) -> None:
        """List and hash these classes at once, which is faster than one after the other (Parquet is read once)."""
        missing = [key for key in dict.fromkeys(keys) if key not in self._found]
        if missing:
            self._found |= self._pool.pictures(missing, self._limit)

    def leave_out(self, keys: Sequence[str]) -> None:
        """Count these classes among what is passed over: nobody asks for them."""
        self._left_out = keys

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def refs(self) -> list[Picture]:
        """All pictures, class after class; those in no class come first, where the set was opened without classes."""
        self.look_up(self._keys)
        return [*([] if self._by_class else self.loose), *(ref for key in self._keys for ref in self._found[key])]

    @property
    def loose(self) -> list[Picture]:
        """Pictures that lie in the source itself, in no class."""
        return self._loose.pictures(self._loose.keys, None).get("", [])

    @property
    def passed_over(self) -> PassedOver:
        """What was left out of the classes that were looked at so far, by kind; its text is one line for the user."""
        total = PassedOver()
        total.update(self._pool.passed_over)
        if not self._by_class:
            total.update(self._loose.passed_over)
        elif loose := self.loose:
            total.add("pictures in no class folder", Path(loose[0].origin).name, len(loose))
        total.add_all("classes that were not asked for", self._left_out)
        return total


def open_images(
    source: str | Path,
    *,
    columns: Columns = ANY,
    part: str | None = None,
    named: Collection[str] = (),
    limit_per_class: int | None = None,
    by_class: bool = True,
) -> ImageSet:
    """The pictures at ``source``, in any layout that `images.layouts` knows.

    ``columns`` of Parquet; ``part`` base, val or novel where the source is divided, else all; ``named`` are the
    classes that are looked for (a folder of such a name is a class, whatever else it could be). Without ``by_class``
    pictures in no class will do: one file, a pattern, a folder of pictures, Parquet without a class (whose key is "").
    InputError where nothing is there.
    """
    path = _expanded(source)
    if part is not None:
        parts = named_parts(path, columns, stay=True)
        if part not in parts:
            raise InputError(f"{path} has no part {part!r}; it has {', '.join(parts) or 'none'}")
        return ImageSet(path, parts[part], FilePool({}), limit=limit_per_class)
    loose = loose_pool(path)
    if not by_class:
        columns = columns._replace(unlabelled=True)
    try:
        pool = whole_pool(path, columns, named=named, stay=True)
    except InputError:
        if by_class or not loose.keys:
            raise
        pool = FilePool({})
    return ImageSet(path, pool, loose, limit=limit_per_class, by_class=by_class)


def class_keys(path: str | Path, columns: Columns = ANY) -> list[str]:
    """The class keys below ``path``, sorted, without reading a picture; same forms and errors as `open_images`."""
    return sorted(whole_pool(_expanded(path), columns, stay=True).keys)


def match_classes(images: Mapping[str, Sequence[Picture]], entries: Sequence[ClassEntry]) -> dict[str, list[Picture]]:
    """Pictures by class id; which class key is whose, `classes.match.match` says.

    InputError names the classes without pictures, and what could belong to several. Other classes are left out, which
    `ImageSet.passed_over` counts.
    """
    there = list(images) if isinstance(images, ImageSet) else [key for key, refs in images.items() if refs]
    matches = match(entries, there, "pictures")
    if matches.missing:
        listed, have = nearest(matches.missing, there), ", ".join(there[:3])
        raise InputError(
            f"{len(matches.missing)} of {len(entries)} classes have no picture: {listed}; name the folders like the "
            f"classes (pictures are there for: {have} ...), or take the classes off the list"
        )
    if isinstance(images, ImageSet):
        images.look_up(matches.found.values())
        images.leave_out(matches.left_over)
    return {entry.id: list(images[matches.found[entry.id]]) for entry in entries}


def decode_each(
    pictures: Sequence[Picture], *, at_least: int | None = None
) -> Iterator[tuple[Picture, Image.Image | InputError]]:
    """Every picture and what it shows, or what is wrong with it, in order; a few are decoded ahead, in threads."""

    def image(picture: Picture) -> Image.Image | InputError:
        try:
            return picture.image(at_least)
        except InputError as error:
            return error

    with ThreadPoolExecutor(_AHEAD) as pool:
        for start in range(0, len(pictures), _AHEAD):
            batch = pictures[start : start + _AHEAD]
            yield from zip(batch, pool.map(image, batch), strict=True)


def _expanded(source: str | Path) -> str:
    """The path without ``~``; ``hf://`` as it is."""
    return str(source) if str(source).startswith(PREFIX) else str(Path(source).expanduser())
