"""Class lists: reading them in every usual form, and finding what will hurt later."""

from __future__ import annotations

import csv
import hashlib
import io
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from syntrans.errors import InputError
from syntrans.input_files import parse_json, read_bytes
from syntrans.sealed_parquet import read_sealed

BUILTIN = ("mini", "tiered", "cifar-fs", "fc100", "cub", "world")
_LISTS = Path(__file__).resolve().parent / "class_lists"


class ClassEntry(NamedTuple):
    """One class: a stable id (wnid, folder name or slug), a display name, and perhaps what is meant by it."""

    id: str
    name: str
    definition: str | None = None


def slug(name: str) -> str:
    """A name as an id: lower case, words joined by '-', accents off, other scripts kept."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", name).casefold() if not unicodedata.combining(c))
    return re.sub(r"[\W_]+", "-", plain).strip("-")


def read_classes(source: str | Path) -> list[ClassEntry]:
    """The classes of a file (txt, tsv, csv, jsonl, parquet) or of a built-in list, in their order.

    Text lines are ``name`` or ``id<TAB>name[<TAB>definition]``, ``#`` starts a comment line. InputError for a
    file that is missing, empty, binary, or has a line that says no name. Duplicates are `lint`'s business.
    """
    path = _locate(source)
    if path.suffix == ".parquet":
        records = _read_parquet(path)
    else:
        text = _read_text(path)
        records = _READERS.get(path.suffix.lower(), _read_lines)(text, path)
    entries = [_entry(record, place) for place, record in records]
    if not entries:
        raise InputError(f"{path} names no class; write one class per line")
    return entries


def blank_lines(source: str | Path) -> list[int]:
    """Numbers of the empty lines between the classes of a text list: a name may be missing there."""
    path = _locate(source)
    if path.suffix.lower() in {".parquet", *_READERS}:
        return []
    lines = _read_text(path).rstrip().splitlines()
    return [number for number, line in enumerate(lines, start=1) if not line.strip()]


def class_list_sha256(entries: Iterable[ClassEntry]) -> str:
    """sha256 over ids, names and definitions, whatever file form they came in; the order does not matter."""
    lines = sorted("\t".join([entry.id, entry.name, entry.definition or ""]) for entry in entries)
    return hashlib.sha256("\n".join(lines).encode("utf-8")).hexdigest()


def _locate(source: str | Path) -> Path:
    if str(source) in BUILTIN:
        return _LISTS / f"{source}.tsv"
    path = Path(source)
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "is no plain file" if path.exists() else "is not there"
        raise InputError(f"class list {str(source)!r} {what}; give a file, or one of: {', '.join(BUILTIN)}")
    return path


def _read_text(path: Path) -> str:
    data = read_bytes(path)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text (byte {error.start}); a class list is plain text") from error
    if "\0" in text:
        raise InputError(f"{path} is a binary file; a class list is plain text, one class per line")
    return text


Records = list[tuple[str, dict[str, Any]]]


def _read_lines(text: str, path: Path) -> Records:
    records: Records = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        parts = [part.strip() for part in line.split("\t")]
        if len(parts) > 3:
            rule = "write name, or id<TAB>name<TAB>definition"
            raise InputError(f"{path}, line {number}: {len(parts)} columns; {rule}")
        keys = ("name",) if len(parts) == 1 else ("id", "name", "definition")
        records.append((f"{path}, line {number}", dict(zip(keys, parts, strict=False))))
    return records


def _read_csv(text: str, path: Path) -> Records:
    reader = csv.DictReader(io.StringIO(text, newline=None))  # line ends of every system
    try:
        columns = [column.strip().lower() for column in reader.fieldnames or []]
        if "name" not in columns:
            raise InputError(f"{path} has no column 'name' in its first line; CSV columns are id, name, definition")
        reader.fieldnames = columns
        return [(f"{path}, line {reader.line_num}", row) for row in reader if any(row.values())]
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num} is not CSV ({error}); correct the line") from error


def _read_jsonl(text: str, path: Path) -> Records:
    records: Records = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        place = f"{path}, line {number}"
        try:
            value = parse_json(line)
        except ValueError as error:
            raise InputError(f"{place} is not JSON ({error}); write one object per line") from error
        if not isinstance(value, dict):
            raise InputError(f"{place} is a {type(value).__name__}; write an object with id, name, definition")
        records.append((place, value))
    return records


def _read_parquet(path: Path) -> Records:

    table = read_sealed(path, _FIELDS)
    if not {"name", "class_name"} & set(table.column_names):
        raise InputError(f"{path} has no column 'name'; its columns must be id, name, definition")
    return [(f"{path}, row {number}", row) for number, row in enumerate(table.to_pylist())]


_FIELDS = ("id", "class_id", "name", "class_name", "definition")
_READERS: dict[str, Callable[[str, Path], Records]] = {
    ".csv": _read_csv,
    ".jsonl": _read_jsonl,
    ".ndjson": _read_jsonl,
}


def _entry(record: dict[str, Any], place: str) -> ClassEntry:
    def field(*keys: str) -> str:
        value = next((record[key] for key in keys if record.get(key) is not None), "")
        if not isinstance(value, str | int):
            raise InputError(f"{place}: {keys[0]} is {value!r:.60}; it must be text")
        return " ".join(str(value).split())

    name = field("name", "class_name")
    identifier = field("id", "class_id") or slug(name)
    if not name or not identifier:
        raise InputError(f"{place} gives no class name; write name, or id<TAB>name<TAB>definition")
    return ClassEntry(identifier, name, field("definition") or None)


class LintFinding(NamedTuple):
    """One thing that is wrong (error) or will probably hurt (warning), and the ids of its entries."""

    level: Literal["error", "warning"]
    rule: str
    message: str
    entries: tuple[str, ...]


def lint(entries: Sequence[ClassEntry]) -> list[LintFinding]:
    """Everything questionable about a class list, errors first; see `syntrans.class_lint` for the rules."""
    from syntrans.class_lint import RULES

    found = [finding for rule in RULES for finding in rule(entries)]
    return sorted(found, key=lambda finding: finding.level != "error")


def require_clean(entries: Sequence[ClassEntry]) -> list[LintFinding]:
    """The warnings about a class list; InputError with the first error, if there is one."""
    findings = lint(entries)
    errors = [finding for finding in findings if finding.level == "error"]
    if errors:
        more = f" ({len(errors) - 1} more; see `syntrans classes check`)" if len(errors) > 1 else ""
        raise InputError(f"class list: {errors[0].message}{more}")
    return findings
