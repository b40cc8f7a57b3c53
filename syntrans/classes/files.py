"""The forms in which class lists come: lines, tables with a header, JSON, Parquet; each to plain records."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from syntrans.errors import InputError
from syntrans.files.input_files import parse_json, read_bytes

Records = list[tuple[str, dict[str, Any]]]
"""Where each class stands, for messages, and its fields as they were found."""

ID_FIELDS = ("id", "class_id")
NAME_FIELDS = ("name", "class_name")
_FIELDS = (*ID_FIELDS, *NAME_FIELDS, "definition")
_FORMS = 'write one name a line, id<TAB>name<TAB>definition, or JSON like ["ant", "bee"] or [{"name": "ant"}]'
# UTF-32's little-endian mark begins with UTF-16's, so it comes first.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_records(path: Path) -> Records:
    """The classes of a file in any of the forms; InputError with file and line where it is none of them."""
    if path.suffix.lower() == ".parquet":
        return _read_parquet(path)
    text = _read_text(path)
    return _reader(path, text)(text, path)


def blank_lines(path: Path) -> list[int]:
    """Numbers of the empty lines between the classes of a list of lines; none in the other forms."""
    if path.suffix.lower() == ".parquet":
        return []
    text = _read_text(path)
    lines = text.rstrip().splitlines() if _reader(path, text) is _read_lines else []
    return [number for number, line in enumerate(lines, start=1) if not line.strip()]


def _read_text(path: Path) -> str:
    """The text of a file in UTF-8, or in the encoding that a byte order mark says (Windows tools write UTF-16)."""
    data = read_bytes(path)
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        said = encoding.removesuffix("-sig").upper()
        raise InputError(f"{path} is not {said} text (byte {error.start}); save the list as UTF-8 text") from error
    if "\0" in text:
        raise InputError(f"{path} is a binary file; a class list is plain text, one class per line")
    return text


_Reader = Callable[[str, Path], Records]


def _reader(path: Path, text: str) -> _Reader:
    """By the file's ending; a list of lines that is a JSON array is read as one."""
    reader = _READERS.get(path.suffix.lower())
    if reader:
        return reader
    return _read_json if text.lstrip().startswith(("[", "{")) and _is_json(text) else _read_lines


def _is_json(text: str) -> bool:
    try:
        parse_json(text)
    except ValueError:
        return False
    return True


def _read_lines(text: str, path: Path) -> Records:
    records: Records = []
    keys: Sequence[str] | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        parts = [part.strip() for part in line.split("\t")]
        if keys is None and not records and (header := _header(parts, path)):
            keys = header
            continue
        if keys is None and len(parts) > 3:
            rule = "write name, or id<TAB>name<TAB>definition, or name the columns in the first line"
            raise InputError(f"{path}, line {number}: {len(parts)} columns; {rule}")
        usual = ("name",) if len(parts) == 1 else ("id", "name", "definition")
        records.append((f"{path}, line {number}", dict(zip(keys or usual, parts, strict=False))))
    return records


def _header(parts: Sequence[str], path: Path) -> list[str] | None:
    """The column names, if the first line holds such; a single word is one only where the file's ending says table."""
    columns = [part.lower() for part in parts]
    if not set(columns) & set(NAME_FIELDS):
        return None
    is_table = path.suffix.lower() in (".tsv", ".tab")
    return columns if is_table or (len(columns) > 1 and set(columns) <= set(_FIELDS)) else None


def _read_csv(text: str, path: Path) -> Records:
    first = text.lstrip().partition("\n")[0]
    delimiter = max(",;\t", key=first.count)  # the comma where there is none
    reader = csv.DictReader(io.StringIO(text, newline=None), delimiter=delimiter)  # line ends of every system
    try:
        columns = [column.strip().lower() for column in reader.fieldnames or []]
        _require_name(path, columns)
        reader.fieldnames = columns
        return [(f"{path}, line {reader.line_num}", row) for row in reader if any(row.values())]
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num} is not CSV ({error}); correct the line") from error


def _require_name(path: Path, columns: Iterable[str]) -> None:
    names = list(columns)
    if not set(names) & set(NAME_FIELDS):
        listed = ", ".join(repr(column) for column in names[:8]) + (", ..." if len(names) > 8 else "")
        rule = "call one of them name (id and definition may stand beside it)"
        raise InputError(f"{path} has no column 'name'; its columns are {listed or '(none)'}; {rule}")


def _read_json(text: str, path: Path) -> Records:
    try:
        value = parse_json(text)
    except ValueError as error:
        raise InputError(f"{path} is not JSON ({str(error)[:80]}); {_FORMS}") from error
    if not isinstance(value, list):
        raise InputError(f"{path} holds a JSON {_kind(value)}; {_FORMS}")
    return [_record(item, f"{path}, item {number}") for number, item in enumerate(value, start=1)]


def _read_jsonl(text: str, path: Path) -> Records:
    records: Records = []
    for number, line in enumerate(text.split("\n"), start=1):  # JSON may hold the other ends of lines
        if not line.strip():
            continue
        place = f"{path}, line {number}"
        try:
            value = parse_json(line)
        except ValueError as error:
            raise InputError(f"{place} is not JSON ({str(error)[:80]}); write one object per line") from error
        records.append(_record(value, place))
    return records


def _record(value: object, place: str) -> tuple[str, dict[str, Any]]:
    if isinstance(value, str):
        return place, {"name": value}
    if not isinstance(value, dict):
        raise InputError(f"{place} is a JSON {_kind(value)}; write an object with id, name, definition, or a name")
    return place, value


def _kind(value: object) -> str:
    kinds = {dict: "object", list: "array", str: "text", bool: "truth value", type(None): "null"}
    return kinds.get(type(value), "number")


def _read_parquet(path: Path) -> Records:
    from syntrans.files.sealed_parquet import column_names, read_sealed

    _require_name(path, column_names(path))
    table = read_sealed(path, _FIELDS)
    return [(f"{path}, row {number}", row) for number, row in enumerate(table.to_pylist())]


_READERS: dict[str, _Reader] = {
    ".csv": _read_csv,
    ".json": _read_json,
    ".jsonl": _read_jsonl,
    ".ndjson": _read_jsonl,
}
