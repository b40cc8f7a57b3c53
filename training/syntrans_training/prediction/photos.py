"""The pictures of a task: supports by class folder, queries from a file, a folder, a glob or Parquet files."""

import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from syntrans.errors import InputError
from syntrans.images import SUFFIXES, class_keys, open_images, read_file

from .encoders.pipeline import Photo

_IMAGE_COLUMNS = ("image", "img")


@dataclass(frozen=True)
class Supports:
    """Labelled pictures: `labels` number the `classes`; `sha256` of the encoded bytes."""

    classes: tuple[str, ...]
    photos: tuple[Photo, ...]
    labels: tuple[int, ...]
    sha256: tuple[str, ...]


def open_supports(path: Path | None, more_classes: Sequence[str] = ()) -> Supports:
    """Class folders (an empty one is a class too) or Parquet files; `more_classes` may have no picture.

    Raises `InputError` when nothing is there.
    """
    images = {} if path is None else _images(path, has_names=bool(more_classes))
    keys = [] if path is None else class_keys(path)
    classes = tuple(dict.fromkeys([*sorted({*keys, *images}), *more_classes]))
    refs = [(classes.index(key), ref) for key, found in images.items() for ref in found]
    return Supports(
        classes,
        tuple(Photo(ref.origin, ref.load) for _, ref in refs),
        tuple(label for label, _ in refs),
        tuple(ref.sha256 for _, ref in refs),
    )


def open_queries(query: str) -> list[Photo]:
    """The pictures of a file, a folder (with those below it), a glob or Parquet files, in a stable order.

    Raises `InputError` when there are none.
    """
    path = Path(query).expanduser()
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if _is_picture(file) and not _hidden(file, path))
        files = files or sorted(path.rglob("*.parquet"))
    elif path.is_file():
        files = [path]
    else:
        files = sorted(Path(found) for found in glob.glob(str(path), recursive=True) if Path(found).is_file())  # noqa: PTH207 - the pattern may be absolute
    photos = [photo for file in files for photo in _of_file(file)]
    if not photos:
        what = "holds no picture" if path.is_dir() else "is not there"
        raise InputError(f"--query {query} {what}; give a picture, a folder, a glob in quotes, or a Parquet file")
    return photos


def _images(path: Path, *, has_names: bool) -> dict[str, list[Any]]:
    try:
        return dict(open_images(path))
    except InputError:
        if path.is_dir() and (has_names or class_keys(path)):
            return {}  # classes without a picture may still have a text
        raise


def _of_file(file: Path) -> Iterator[Photo]:
    if file.suffix == ".parquet":
        yield from _of_parquet(file)
    else:
        yield Photo(str(file), partial(read_file, file))


def _of_parquet(path: Path) -> Iterator[Photo]:
    """The rows of a file with an image column; a class column is not needed. Row groups are read one at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path} is not a readable Parquet file ({str(error)[:80]})") from error
    column = next((name for name in _IMAGE_COLUMNS if name in file.schema_arrow.names), None)
    if column is None:
        raise InputError(f"{path} has columns {', '.join(file.schema_arrow.names)}; it needs 'image'")
    groups = _RowGroups(file, column)
    number = 0
    for group in range(file.num_row_groups):
        for row in range(file.metadata.row_group(group).num_rows):
            yield Photo(f"{path}#{number}", partial(groups.read, group, row))
            number += 1


class _RowGroups:
    """The bytes of a Parquet file's pictures, the last row group kept."""

    def __init__(self, file: Any, column: str) -> None:
        self._file, self._column = file, column
        self._held: tuple[int, Any] = (-1, None)

    def read(self, group: int, row: int) -> bytes:
        """Encoded bytes of one row; InputError where it has none."""
        held = self._held
        if held[0] != group:
            held = (group, self._file.read_row_group(group, columns=[self._column])[self._column])
            self._held = held
        value = held[1][row].as_py()
        data = value.get("bytes") if isinstance(value, dict) else value
        if not isinstance(data, bytes):
            raise InputError(f"row {row} of row group {group} holds no picture bytes")
        return data


def _is_picture(file: Path) -> bool:
    return file.suffix.lower() in SUFFIXES and file.is_file()


def _hidden(file: Path, root: Path) -> bool:
    return any(part.startswith(".") for part in file.relative_to(root).parts)
