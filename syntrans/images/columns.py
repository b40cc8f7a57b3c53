"""Which columns of a table are the pictures and the classes: the keys, the usual names, and what types may be there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from syntrans.errors import InputError
from syntrans.files.input_files import parse_json

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

IMAGES = ("image", "img")
LABELS = ("class", "label", "class_name", "class_id", "fine_label")


class Columns(NamedTuple):
    """Which columns to read; None takes the first of the usual names.

    ``names`` spells out integer labels, before what the file itself says. ``section`` is that of the configuration in
    which the keys stand, for messages. ``unlabelled``: a table without a class will do, all rows have the class "".
    """

    image: str | None = None
    label: str | None = None
    names: Sequence[str] | None = None
    section: str = "data"
    unlabelled: bool = False

    def keys(self, image: str = "COLUMN", label: str = "COLUMN") -> str:
        """How to name the columns."""
        return f"--set {self.section}.image_column={image} --set {self.section}.label_column={label}"


ANY = Columns()


class Found(NamedTuple):
    """The columns of a file. ``names`` of integer labels; None where the labels are text."""

    image: str
    label: str
    names: Sequence[str] | None


def find_columns(path: Path, file: pq.ParquetFile, columns: Columns) -> Found:
    """The columns to read; InputError where there are none, of other types, or two that may be the class."""
    schema = file.schema_arrow
    images = [name for name in ((columns.image,) if columns.image else IMAGES) if name in schema.names]
    labels = [name for name in ((columns.label,) if columns.label else LABELS) if name in schema.names]
    if images and not labels and columns.unlabelled and not columns.label:
        check_image(path, images[0], schema.field(images[0]).type)
        return Found(images[0], "", None)
    if not images or not labels:
        needs = f"{columns.image or 'image'!r} and {columns.label or 'class'!r}"
        rule = f"it needs {needs} (or 'label'); name others with {columns.keys()}"
        raise InputError(f"{path} has columns {', '.join(schema.names)}; {rule}")
    check_image(path, images[0], schema.field(images[0]).type)
    usable = {name: names for name in labels if (names := _names(schema, name, columns.names)) is not _UNUSABLE}
    if not usable:
        kind = schema.field(labels[0]).type
        rule = "classes must be text, or numbers whose names the file knows"
        raise InputError(f"{path}: column {labels[0]!r} is {kind}; {rule}")
    label = next(iter(usable))
    if len(usable) > 1 and not _divide_alike(file, list(usable)):
        others = " and ".join(map(repr, usable))
        choice = f"choose one with --set {columns.section}.label_column={list(usable)[-1]}"
        raise InputError(f"{path} has the columns {others}, which divide the pictures differently; {choice}")
    return Found(images[0], label, usable[label] or None)


def check_image(path: Path, name: str, kind: pa.DataType) -> None:
    """InputError unless a column can hold pictures."""
    import pyarrow.types as t

    of = kind
    if t.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        of = kind.field("bytes").type
    if not (t.is_binary(of) or t.is_large_binary(of) or t.is_binary_view(of) or t.is_null(of)):
        rule = "it must be struct<bytes: binary, path: string>, or binary"
        raise InputError(f"{path}: column {name!r} is {kind}; {rule}")


_UNUSABLE: Sequence[str] = ("",)


def _names(schema: pa.Schema, label: str, known: Sequence[str] | None) -> Sequence[str]:
    """() where the labels are text; else their names, as the caller or Hugging Face's metadata knows them."""
    import pyarrow.types as t

    kind = schema.field(label).type
    value = kind.value_type if t.is_dictionary(kind) else kind
    if t.is_string(value) or t.is_large_string(value) or t.is_string_view(value):
        return ()
    if t.is_integer(value):
        return known or _class_label(schema, label) or _UNUSABLE
    return _UNUSABLE


def _class_label(schema: pa.Schema, label: str) -> Sequence[str] | None:
    try:
        features = parse_json((schema.metadata or {})[b"huggingface"])["info"]["features"]
        names = features[label]["names"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
    return names if isinstance(names, list) and all(isinstance(name, str) for name in names) else None


def _divide_alike(file: pq.ParquetFile, labels: Sequence[str]) -> bool:
    """Whether columns say the same in other words, as a name and its number do."""
    table = file.read(columns=list(labels))
    values = [table[label].to_pylist() for label in labels]
    n = len(set(zip(*values, strict=True)))
    return all(len(set(column)) == n for column in values)
