"""The pictures of a task: supports by class, in any layout, and the classes of a list that need no picture."""

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from syntrans.classes.entries import ClassEntry
from syntrans.classes.match import match
from syntrans.errors import InputError
from syntrans.images.files import visible_folders
from syntrans.images.image_set import open_images
from syntrans.images.reference import Picture


@dataclass(frozen=True)
class Supports:
    """Labelled pictures: `labels` number the `classes`; `passed_over` is a line about files that were left out."""

    classes: tuple[str, ...]
    pictures: tuple[Picture, ...]
    labels: tuple[int, ...]
    passed_over: str = ""


def open_supports(path: Path | None, listed: Sequence[ClassEntry] = ()) -> Supports:
    """The supports at `path`; an empty folder is a class, and so is every `listed` one, whose name its folder takes.

    Raises `InputError` when nothing is there, or a name could mean several folders.
    """
    if path is None:
        return Supports(tuple(entry.name for entry in listed), (), ())
    empty = _empty_folders(path)
    try:
        images = open_images(path, named=[entry.name for entry in listed])
    except InputError:
        if not empty:
            raise
        return Supports(tuple(_named(empty, listed)), (), ())
    keys = sorted({*images, *empty})
    names = _named(keys, listed)
    classes = tuple(dict.fromkeys([*names, *(entry.name for entry in listed)]))
    by_class = zip(names, (images.get(key, []) for key in keys), strict=True)
    found = [(classes.index(name), picture) for name, pictures in by_class for picture in pictures]
    labels, pictures = tuple(label for label, _ in found), tuple(picture for _, picture in found)
    return Supports(classes, pictures, labels, str(images.passed_over) if images.passed_over else "")


def open_queries(query: str) -> tuple[list[Picture], str]:
    """The pictures of a file, a folder, a pattern or Parquet, and a line about files that were left out.

    Raises `InputError` when there are none.
    """
    give = "give a picture, a folder, a pattern in quotes, or Parquet"
    if glob.has_magic(query) and not Path(query).exists() and not glob.glob(query, recursive=True):  # noqa: PTH207 - it may be absolute
        raise InputError(f"--query {query} fits nothing; {give}")
    images = open_images(query, by_class=False)
    pictures = images.refs
    if not pictures:
        raise InputError(f"--query {query} holds no picture; {give}")
    return pictures, str(images.passed_over) if images.passed_over else ""


def _named(keys: Sequence[str], listed: Sequence[ClassEntry]) -> list[str]:
    """The name of each class folder: that of its listed class, else its own."""
    matches = match(listed, keys, "--support")
    names = {matches.found[entry.id]: entry.name for entry in listed if entry.id in matches.found}
    return [names.get(key, key) for key in keys]


def _empty_folders(path: Path) -> list[str]:
    return [below.name for below in visible_folders(path) if not any(below.iterdir())] if path.is_dir() else []
