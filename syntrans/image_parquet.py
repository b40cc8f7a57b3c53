"""Pictures in Parquet files: an image column (Hugging Face's struct<bytes, path>, or binary) and a label column."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from syntrans.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from syntrans.images import ImageRef

_IMAGE = ("image", "img")
_LABEL = ("class", "label", "class_name", "class_id", "fine_label")


class Columns(NamedTuple):
    """Which columns to read; None takes the first of the usual names.

    ``names`` spells out integer labels, before what the file itself says.
    """

    image: str | None = None
    label: str | None = None
    names: Sequence[str] | None = None


ANY = Columns()


class _Opened(NamedTuple):
    path: Path
    file: pq.ParquetFile
    image: str
    label: str
    names: Sequence[str] | None


def labels(path: Path, columns: Columns = ANY) -> list[str]:
    """The class key of every row, without reading a picture; InputError for a file that is not in this form."""
    with _open(path, columns) as opened:
        found: list[Any] = opened.file.read(columns=[opened.label])[opened.label].to_pylist()
        if None in found:
            raise InputError(f"{path}, row {found.index(None)} lacks a class; write the file again with all")
        if opened.names is None:
            return found
        outside = next((label for label in found if not 0 <= label < len(opened.names)), None)
        if outside is not None:
            raise InputError(f"{path}: label {outside} has no name; column {opened.label!r} has {len(opened.names)}")
        return [opened.names[label] for label in found]


@dataclass(frozen=True)
class Row:
    """A picture that stays in its file; called, it gives its bytes. For many of one file `read` is faster."""

    path: Path
    number: int
    columns: Columns = ANY

    def __call__(self) -> bytes:
        """The encoded bytes."""
        ((_, data),) = read(self.path, [self.number], self.columns)
        return data


def references(path: Path, keys: Sequence[str], rows: Sequence[int], columns: Columns = ANY) -> Iterator[ImageRef]:
    """As `pictures`, but each stays in the file and is read when it is looked at."""
    for row, ref in zip(rows, pictures(path, keys, rows, columns), strict=True):
        yield ref._replace(load=Row(path, row, columns))


def read(path: Path, rows: Collection[int], columns: Columns = ANY) -> Iterator[tuple[int, bytes]]:
    """Number and encoded bytes of some rows, in the order of the file, a few in memory at a time."""
    with _open(path, columns) as opened:
        yield from _bytes(opened, set(rows))


def pictures(path: Path, keys: Sequence[str], rows: Sequence[int], columns: Columns = ANY) -> Iterator[ImageRef]:
    """The pictures of ``rows`` (ascending), held in memory; ``keys`` are the file's `labels`.

    A row without bytes gives an empty picture, which is broken like any other that cannot be decoded.
    """
    from syntrans.images import ImageRef

    wanted = set(rows)
    with _open(path, columns) as opened:
        for row, data in _bytes(opened, wanted):
            yield ImageRef(keys[row], hashlib.sha256(data).hexdigest(), partial(bytes, data), f"{path}, row {row}")


def _bytes(opened: _Opened, wanted: set[int]) -> Iterator[tuple[int, bytes]]:
    """Row number and encoded bytes of the wanted rows; row groups without any are not read."""
    start = 0
    for group in range(opened.file.num_row_groups):
        n = opened.file.metadata.row_group(group).num_rows
        if not wanted.isdisjoint(range(start, start + n)):
            row = start
            for batch in opened.file.iter_batches(batch_size=256, row_groups=[group], columns=[opened.image]):
                column = batch.column(opened.image)
                for offset in range(batch.num_rows):
                    if row + offset in wanted:
                        value = column[offset].as_py()
                        yield row + offset, (value["bytes"] if isinstance(value, dict) else value) or b""
                row += batch.num_rows
        start += n


@contextmanager
def _open(path: Path, columns: Columns) -> Iterator[_Opened]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            yield _check(path, file, columns)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path} is not a readable Parquet file ({str(error)[:80]})") from error


def _check(path: Path, file: pq.ParquetFile, columns: Columns) -> _Opened:
    schema = file.schema_arrow
    image = _find(schema, (columns.image,) if columns.image else _IMAGE)
    label = _find(schema, (columns.label,) if columns.label else _LABEL)
    if image is None or label is None:
        needs = f"{columns.image or 'image'!r} and {columns.label or 'class'!r}"
        rule = f"it needs {needs} (or 'label'); name others with image_column and label_column"
        raise InputError(f"{path} has columns {', '.join(schema.names)}; {rule}")
    _check_image(path, image, schema.field(image).type)
    return _Opened(path, file, image, label, _names(path, schema, label, columns.names))


def _find(schema: pa.Schema, names: Sequence[str]) -> str | None:
    return next((name for name in names if name in schema.names), None)


def _check_image(path: Path, name: str, image: pa.DataType) -> None:
    import pyarrow as pa

    in_struct = pa.types.is_struct(image) and image.get_field_index("bytes") >= 0
    if not in_struct and not pa.types.is_binary(image) and not pa.types.is_large_binary(image):
        raise InputError(
            f"{path}: column {name!r} is {image}; it must be struct<bytes: binary, path: string>, or binary"
        )


def _names(path: Path, schema: pa.Schema, label: str, known: Sequence[str] | None) -> Sequence[str] | None:
    """None where the labels are text; else their names, as the caller or Hugging Face's metadata knows them."""
    import pyarrow as pa

    kind = schema.field(label).type
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    if pa.types.is_string(value) or pa.types.is_large_string(value):
        return None
    if pa.types.is_integer(value):
        found = known or _class_label(schema, label)
        if found:
            return found
    raise InputError(f"{path}: column {label!r} is {kind}; classes must be text, or numbers whose names the file knows")


def _class_label(schema: pa.Schema, label: str) -> Sequence[str] | None:
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        names = features[label]["names"]
    except (KeyError, TypeError, ValueError):
        return None
    return names if isinstance(names, list) and all(isinstance(name, str) for name in names) else None
