"""The forms in which others publish descriptions: CuPL's and DCLIP's JSON, and JSON lines; each to `Line`s.

A source says of a class what it says, in its order; what is said twice is there twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, Field, ValidationError

from syntrans.classes.entries import ClassEntry, composed, is_unicode
from syntrans.config import Strict, first_problem
from syntrans.contract.rows import Facet
from syntrans.contract.scalars import PlainText
from syntrans.errors import InputError, UsageError
from syntrans.files.input_files import MIB, open_plain, parse_json, read_bytes


def _name(value: str) -> str:
    name = composed(value)
    if not name:
        raise ValueError("is empty; give a name")
    if not is_unicode(name):
        raise ValueError("holds half of a character; type it again")
    return name


Name = Annotated[str, AfterValidator(_name)]
_CUPL, _DCLIP, _JSONL = "cupl", "dclip", "jsonl"
OBJECT_LIMIT = 512 * MIB
"""Of a source that is one JSON object, which must be read whole."""
LINE_LIMIT = MIB


class _LineModel(Strict):
    """One line of a ``jsonl`` source. ``class`` and ``text`` must be there; ``id`` is the class's id, made of its name
    when left out; ``author``, ``revision`` and ``prompt`` say who wrote it, in which version, asked what.
    """

    class_: Name = Field(alias="class")
    text: PlainText
    id: Name | None = None
    facet: Facet = "other"
    author: PlainText = Field(default="unknown", min_length=1)
    revision: PlainText = "published"
    prompt: PlainText = "jsonl"


class Origin(NamedTuple):
    """What most lines of a source have in common; one object for all that have it."""

    facet: str
    author: str
    revision: str
    prompt: str


class Line(NamedTuple):
    """A line once it is checked: a sixth of the memory, and a source may have millions of them."""

    class_: str
    text: str
    id: str | None
    origin: Origin


class Source(NamedTuple):
    """What one file says. A class's key (``id``) is the id that the file gives it, or else its name.

    ``repeated`` are classes that stand in it more than once, of which all lists were taken.
    """

    path: Path
    form: str
    sha256: str
    described: dict[ClassEntry, list[Line]]
    repeated: list[str]


CITATIONS = {
    _CUPL: "CuPL: Pratt et al., What does a platypus look like?, ICCV 2023",
    _DCLIP: "DCLIP: Menon and Vondrick, Visual Classification via Description, ICLR 2023",
    _JSONL: "JSON lines",
}
"""Format -> source."""


def read_source(path: Path, form: str | None = None) -> Source:
    """The descriptions in a file of a format in `CITATIONS`; without one it is told from the content.

    InputError for what cannot be read or is not of the format, with the line or the class.
    """
    if form is not None and form not in CITATIONS:
        raise UsageError(f"--format {form!r} is not known; one of: {', '.join(CITATIONS)}")
    if form == _JSONL or (form is None and _is_lines(path)):
        return _of_lines(path)
    return _of_object(path, form)


def _is_lines(path: Path) -> bool:
    """Whether this is JSON lines: by the file's ending, or since the first line alone is an object with a class."""
    if path.suffix.lower() in (".jsonl", ".ndjson"):
        return True
    with open_plain(path) as file:
        beginning = file.read(LINE_LIMIT)
    try:
        first = parse_json(beginning.lstrip().partition(b"\n")[0])
    except ValueError:
        return False
    return isinstance(first, dict) and isinstance(first.get("class"), str) and isinstance(first.get("text"), str)


def _of_lines(path: Path) -> Source:
    lines = list(_lines(path))
    if not lines:
        raise InputError(f"{path} holds no line; write one object a line, with class and text")
    ids: dict[str, list[str]] = {}
    for line in lines:
        if line.id and line.id not in ids.setdefault(line.class_, []):
            ids[line.class_].append(line.id)
    described: dict[ClassEntry, list[Line]] = {}
    for line in lines:
        given = ids.get(line.class_, [])
        key = line.id or (given[0] if len(given) == 1 else line.class_)  # it may say the id once for all its lines
        entry = ClassEntry(key, line.class_)
        if entry in described:
            described[entry].append(line)
        else:
            described[entry] = [line]  # half of what an empty list takes that is then added to
    return Source(path, _JSONL, _sha256(path), described, [])


def _lines(path: Path) -> Iterator[Line]:
    """The lines that are not empty, one of them in memory at a time."""
    rule = "write one object a line"
    names: dict[str, str] = {}
    origins: dict[Origin, Origin] = {}
    with open_plain(path) as file:
        # Split at line feeds only: JSON may hold the other characters that str.splitlines takes for line ends.
        for number, text in enumerate(iter(lambda: file.readline(LINE_LIMIT + 1), b""), start=1):
            if len(text) > LINE_LIMIT:
                raise InputError(f"{path}, line {number} is longer than {LINE_LIMIT:,} bytes; {rule}")
            if not text.strip():
                continue
            try:
                value = parse_json(text)
            except ValueError as error:
                raise InputError(f"{path}, line {number} is not JSON ({str(error)[:80]}); {rule}") from error
            yield _line(value, f"{path}, line {number}", names, origins)


def _sha256(path: Path) -> str:
    with open_plain(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _of_object(path: Path, form: str | None) -> Source:
    """One JSON object of class names to lists of descriptions."""
    try:
        pairs = parse_json(read_bytes(path, OBJECT_LIMIT), object_pairs_hook=_Pairs)
    except ValueError as error:
        problem = str(error)[:80]
        raise InputError(f"{path} is not JSON ({problem}); it must map class names to descriptions") from error
    if not isinstance(pairs, _Pairs) or not pairs:
        raise InputError(f"{path} holds no object; it must map class names to lists of descriptions")
    form = form or _told_from([texts for _, texts in pairs])
    described: dict[ClassEntry, list[Line]] = {}
    origins: dict[Origin, Origin] = {}
    repeated: list[str] = []
    for name, texts in pairs:
        try:
            shown = _name(name)
        except ValueError as error:
            raise InputError(f"{path}: the name of class {name!a} {error}") from error
        if not isinstance(texts, list) or isinstance(texts, _Pairs) or not all(isinstance(t, str) for t in texts):
            raise InputError(f"{path}: class {shown!r} has no list of texts; write {{name: [text, ...]}}")
        about = {"class": shown, "author": f"gpt-3 ({_AUTHORS[form]})", "prompt": form}
        entry = ClassEntry(shown, shown)
        repeated += [shown] if entry in described else []
        lines = [_line({"text": text, **about}, f"{path}: class {shown!r}", {shown: shown}, origins) for text in texts]
        described.setdefault(entry, []).extend(lines)
    return Source(path, form, _sha256(path), described, list(dict.fromkeys(repeated)))


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as it stands: a name that is there twice is there twice (`json` would keep the last)."""


_AUTHORS = {_CUPL: "CuPL", _DCLIP: "DCLIP"}


def _told_from(lists: list[object]) -> str:
    """CuPL's are sentences that end, DCLIP's are phrases."""
    texts = [text for texts in lists if isinstance(texts, list) for text in texts if isinstance(text, str)]
    return _CUPL if 2 * sum(text.rstrip().endswith(".") for text in texts) > len(texts) else _DCLIP


def _line(value: object, place: str, names: dict[str, str], origins: dict[Origin, Origin]) -> Line:
    """A checked line; ``names`` and ``origins`` keep one object for what many lines repeat."""
    try:
        line = _LineModel.model_validate(value)
    except ValidationError as error:
        keys = ", ".join(field.alias or name for name, field in _LineModel.model_fields.items())
        raise InputError(f"{place}: {first_problem(error)}; the keys are {keys}") from error
    origin = Origin(line.facet, line.author, line.revision, line.prompt)
    return Line(names.setdefault(line.class_, line.class_), line.text, line.id, origins.setdefault(origin, origin))
