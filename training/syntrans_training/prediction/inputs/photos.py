"""The pictures of a task: supports by class, in any layout, and the classes of a list that need no picture."""

import glob
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from syntrans.classes.entries import ClassEntry, composed
from syntrans.classes.match import match, shown
from syntrans.contract.imagined import ImaginedRow
from syntrans.errors import InputError
from syntrans.images.files import visible_folders
from syntrans.images.image_set import ImageSet, open_images
from syntrans.images.reference import ImageRef, Picture
from syntrans_training.imagination.imagined_file import open_imagined


@dataclass(frozen=True)
class Supports:
    """Labelled pictures: `labels` number the `classes`; `passed_over` is a line about files that were left out.

    The last `imagined` of the pictures were made by a diffusion model.
    """

    classes: tuple[str, ...]
    pictures: tuple[Picture, ...]
    labels: tuple[int, ...]
    passed_over: str = ""
    imagined: int = 0


def open_supports(path: Path | None, listed: Sequence[ClassEntry] = ()) -> Supports:
    """The supports at `path`; an empty folder is a class, and so is every `listed` one, whose name its folder takes.

    Raises `InputError` when nothing is there, a name could mean several folders, or two classes would have one name.
    """
    empty = [] if path is None else _empty_folders(path)
    images: Mapping[str, Sequence[Picture]] = {}
    if path is not None:
        spellings = {composed(text) for entry in listed for text in (entry.id, entry.name)}
        try:
            images = opened = open_images(path, named=spellings)
            opened.look_up(opened)  # all at once: Parquet is read once, and one bar is shown
        except InputError:
            if not empty:
                raise
    keys = sorted({*images, *empty})
    names = _named(keys, listed)
    classes = tuple(dict.fromkeys([*names, *(entry.name for entry in listed)]))
    by_class = zip(names, (images.get(key, []) for key in keys), strict=True)
    labelled = [(classes.index(name), picture) for name, pictures in by_class for picture in pictures]
    labels, pictures = tuple(label for label, _ in labelled), tuple(picture for _, picture in labelled)
    return Supports(classes, pictures, labels, _passed_over(images))


def with_imagined(supports: Supports, given: str, at_most: int, listed: Sequence[ClassEntry] = ()) -> Supports:
    """The same where every class without a picture has up to `at_most` kept imagined ones, from the file `given`.

    InputError where the file does not know such a class.
    """
    bare = [name for i, name in enumerate(supports.classes) if i not in set(supports.labels)]
    if not bare:
        return supports
    imagined, ids = open_imagined(given), {entry.name: entry.id for entry in listed}
    chosen = imagined.of_classes([ClassEntry(ids.get(name, name), name) for name in bare], at_most)
    added = [_imagined_picture(row, str(imagined.path)) for row, _ in chosen]
    labels = [supports.classes.index(bare[label]) for _, label in chosen]
    pictures, labels_of_all = (*supports.pictures, *added), (*supports.labels, *labels)
    return replace(supports, pictures=pictures, labels=labels_of_all, imagined=len(added))


def _imagined_picture(row: ImaginedRow, file: str) -> ImageRef:
    image = row.image or b""
    return ImageRef(row.class_id, hashlib.sha256(image).hexdigest(), lambda: image, f"{file}#{row.picture_id}")


def open_queries(query: str) -> tuple[list[Picture], str]:
    """The pictures of a file, a folder, a pattern or Parquet, and a line about files that were left out.

    Raises `InputError` when there are none.
    """
    give = "give a picture, a folder, a pattern in quotes, or Parquet"
    path = str(Path(query).expanduser())
    if glob.has_magic(path) and not Path(path).exists() and not glob.glob(path, recursive=True):  # noqa: PTH207 - it may be absolute
        raise InputError(f"--query {query} fits nothing; {give}")
    images = open_images(query, by_class=False)
    pictures = images.refs
    if not pictures:
        raise InputError(f"--query {query} holds no picture; {give}")
    return pictures, _passed_over(images)


def _named(keys: Sequence[str], listed: Sequence[ClassEntry]) -> list[str]:
    """The name of each class folder: that of its listed class, else its own."""
    folders = match(listed, keys, "--support").found
    names = {folders[entry.id]: entry.name for entry in listed if entry.id in folders}
    named = [names.get(key, key) for key in keys]
    _require_told_apart(
        [*((folders.get(entry.id, entry.id), entry.name) for entry in listed), *zip(keys, named, strict=True)]
    )
    return named


def _require_told_apart(classes: Iterable[tuple[str, str]]) -> None:
    """InputError where two classes have one name, or one has two: pairs of its folder (without one its id) and name.

    Answers are given by name, and the pictures of two classes of one name would be mixed.
    """
    keys: dict[str, str] = {}
    names: dict[str, str] = {}
    for key, name in classes:
        other, before = keys.setdefault(composed(name), key), names.setdefault(key, composed(name))
        if other != key:
            both = " and ".join(shown([other, key]))
            raise InputError(f"{both} would both be the class {name!r}; rename one, or merge them")
        if before != composed(name):
            raise InputError(f"{key!r} would be the classes {before!r} and {name!r}; give each its own id")


def _passed_over(images: Mapping[str, Sequence[Picture]]) -> str:
    return str(images.passed_over) if isinstance(images, ImageSet) and images.passed_over else ""


def _empty_folders(path: Path) -> list[str]:
    return [below.name for below in visible_folders(path) if not any(below.iterdir())] if path.is_dir() else []
