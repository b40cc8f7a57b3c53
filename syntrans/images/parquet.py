"""Pictures in Parquet files: an image column (Hugging Face's struct<bytes, path>, or binary) and a label column.

Where a row has a path and no bytes, the picture is the file at that path, from the folder of the Parquet file; a path
that leads out of this folder is never followed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from syntrans.errors import InputError
from syntrans.images.columns import ANY, Columns, Found, find_columns
from syntrans.images.decode import read_file
from syntrans.images.reference import UNREADABLE, Contained, ImageRef

if TYPE_CHECKING:
    import pyarrow.parquet as pq

Load = Callable[[], bytes]


class _Opened(NamedTuple):
    path: Path
    file: pq.ParquetFile
    columns: Found


def settle(path: Path, columns: Columns = ANY) -> Columns:
    """The columns that will be read, by name; InputError for a file that is not in this form."""
    with _open(path, columns) as opened:
        return columns._replace(image=opened.columns.image, label=opened.columns.label or None)


def labels(path: Path, columns: Columns = ANY) -> list[str]:
    """The class key of every row, without reading a picture; InputError for a file that is not in this form."""
    with _open(path, columns) as opened:
        label, names = opened.columns.label, opened.columns.names
        if not label:
            return [""] * opened.file.metadata.num_rows
        values: list[Any] = opened.file.read(columns=[label])[label].to_pylist()
        if None in values:
            raise InputError(f"{path}, row {values.index(None)} lacks a class; write the file again with all")
        if names is None:
            return values
        outside = next((label for label in values if not 0 <= label < len(names)), None)
        if outside is not None:
            raise InputError(f"{path}: label {outside} has no name; column {label!r} has {len(names)}")
        return [names[label] for label in values]


@dataclass(frozen=True)
class Row(Contained):
    """A picture that stays in its file; called, it gives its bytes. For many of one file `read` is faster."""

    path: Path
    number: int
    columns: Columns = ANY

    def __call__(self) -> bytes:
        """The encoded bytes."""
        ((_, load),) = read(self.path, [self.number], self.columns)
        return load()


def references(path: Path, keys: Sequence[str], rows: Sequence[int], columns: Columns = ANY) -> Iterator[ImageRef]:
    """As `pictures`, but each stays in the file and is read when it is looked at."""
    for row, ref in zip(rows, pictures(path, keys, rows, columns), strict=True):
        within = isinstance(ref.load, partial) and ref.load.func is bytes
        yield ref._replace(load=Row(path, row, columns)) if within else ref


def read(path: Path, rows: Collection[int], columns: Columns = ANY) -> Iterator[tuple[int, Load]]:
    """Number of some rows and what gives their encoded bytes, in the order of the file, a few in memory at a time."""
    with _open(path, columns) as opened:
        yield from _loads(opened, set(rows))


def streamed(photos: Iterable[Any]) -> Iterator[Any]:
    """The same pictures in the same order, those that stay in Parquet files with their bytes, a few at a time.

    Rows that follow each other are read in one go: each alone would be looked for from the start of its row group.
    """
    for place, run in groupby(_with_places(photos), key=itemgetter(0)):
        here = [photo for _, photo in run]
        if place is None:
            yield from here
        else:
            rows = [photo.load.number for photo in here]
            for photo, (_, load) in zip(here, read(place[0], rows, place[1]), strict=True):
                yield photo._replace(load=load)


def _with_places(photos: Iterable[Any]) -> Iterator[tuple[tuple[Path, Columns, int] | None, Any]]:
    """Each with its file, columns, and how often the numbers went back; None for those that are elsewhere."""
    before, turns = -1, 0
    for photo in photos:
        load = getattr(photo, "load", None)
        if isinstance(load, Row):
            turns += load.number <= before
            before = load.number
            yield (load.path, load.columns, turns), photo
        else:
            yield None, photo


def pictures(path: Path, keys: Sequence[str], rows: Sequence[int], columns: Columns = ANY) -> Iterator[ImageRef]:
    """The pictures of ``rows`` (ascending), held in memory; ``keys`` are the file's `labels`.

    A row without a picture gives one that is broken like any other that cannot be decoded.
    """
    with _open(path, columns) as opened:
        for row, load in _loads(opened, set(rows)):
            yield ImageRef(keys[row], _sha256(load), load, f"{path}, row {row}")


def _sha256(load: Load) -> str:
    try:
        return hashlib.sha256(load()).hexdigest()
    except InputError:
        return UNREADABLE


def _loads(opened: _Opened, wanted: set[int]) -> Iterator[tuple[int, Load]]:
    """The wanted rows; row groups without any are not read."""
    image, start = opened.columns.image, 0
    for group in range(opened.file.num_row_groups):
        n = opened.file.metadata.row_group(group).num_rows
        if not wanted.isdisjoint(range(start, start + n)):
            row = start
            for batch in opened.file.iter_batches(batch_size=256, row_groups=[group], columns=[image]):
                column = batch.column(image)
                for offset in range(batch.num_rows):
                    if row + offset in wanted:
                        yield row + offset, _load(column[offset].as_py(), opened.path, row + offset)
                row += batch.num_rows
        start += n


def _load(value: Any, path: Path, row: int) -> Load:
    fields = value if isinstance(value, dict) else {"bytes": value}
    beside = fields.get("path")
    if fields.get("bytes") or not beside:
        return partial(bytes, fields.get("bytes") or b"")
    folder, file = path.resolve().parent, path.parent / str(beside)
    if not file.resolve().is_relative_to(folder):
        rule = f"only files below {path.parent} are read; copy them there, or write the bytes into the file"
        return partial(_refuse, f"{path}, row {row} has no bytes and the path {beside!s:.80}; {rule}")
    if not file.is_file():
        rule = "put the pictures there, or write their bytes into the file"
        return partial(_refuse, f"{path}, row {row} has no bytes, and there is no file {file}; {rule}")
    return partial(read_file, file)


def _refuse(message: str) -> NoReturn:
    raise InputError(message)


@contextmanager
def _open(path: Path, columns: Columns) -> Iterator[_Opened]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        raise InputError(f"{path} is no file; give Parquet files with pictures")
    try:
        with pq.ParquetFile(path) as file:
            yield _Opened(path, file, find_columns(path, file, columns))
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} is not a readable Parquet file ({str(error)[:80]})") from error
