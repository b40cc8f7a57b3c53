"""Descriptions that others have published, brought into the contract as they are: nobody voted, all are kept."""

from __future__ import annotations

import hashlib
import itertools
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import Field, ValidationError

from syntrans import __version__
from syntrans._scalars import PlainText
from syntrans.classes import ClassEntry, class_list_sha256, require_clean, slug
from syntrans.config import StrictModel, first_problem
from syntrans.contract import (
    Author,
    DescriptorRow,
    Facet,
    FileMetadata,
    descriptor_id,
    normalise_text,
    write_descriptors,
)
from syntrans.errors import InputError, UsageError
from syntrans.input_files import MIB, open_plain, parse_json, read_json
from syntrans.paths import make_dir, new_run_id, remove_rests
from syntrans.plain import plain_text

_NOT_ASKED = "the descriptions are taken over as published"


class Line(StrictModel):
    """One line of a ``jsonl`` source. ``class`` and ``text`` must be there; ``id`` is the class's id, its name's slug
    when left out; ``author``, ``revision`` and ``prompt`` say who wrote it, in which version, asked what.
    """

    class_: PlainText = Field(alias="class", min_length=1)
    text: PlainText
    id: PlainText | None = Field(default=None, min_length=1)
    facet: Facet = "other"
    author: PlainText = Field(default="unknown", min_length=1)
    revision: PlainText = "published"
    prompt: PlainText = "jsonl"


class Said(NamedTuple):
    """A `Line` once it is checked: a fifth of the memory, and a source may have millions of them."""

    text: str
    id: str | None
    facet: str
    author: str
    revision: str
    prompt: str


class Imported(NamedTuple):
    """What an import wrote, and the classes of the source that the class list does not have."""

    descriptors: Path
    n_classes: int
    n_rows: int
    left_out: list[str]


def import_descriptions(source: Path, form: str, out: Path, classes: Sequence[ClassEntry] | None = None) -> Imported:
    """Write ``out/descriptors.parquet`` from published descriptions in one of the ``FORMATS``.

    Sentences stay whole; one that a class has twice becomes one row with two authors. With ``classes`` these are
    taken, in any spelling that gives the same slug; without, every class of the source. InputError for malformed
    JSON, and for a listed class that the source does not describe.
    """
    if form not in FORMATS:
        raise UsageError(f"--format {form!r} is not known; one of: {', '.join(FORMATS)}")
    read, citation = FORMATS[form]
    described = read(source)
    entries = list(classes) if classes is not None else _entries(source, described)
    require_clean(entries)
    found = _match(source, described, entries)
    meta = FileMetadata(
        run_id=new_run_id(),
        config={"format": form, "source": source.name, "source_sha256": _sha256(source)},
        class_list_sha256=class_list_sha256(entries),
        package_versions={"syntrans": __version__},
        notes={
            "source": citation,
            "skipped": dict.fromkeys(("crosscheck", "ground", "filter", "compose"), _NOT_ASKED),
        },
    )
    remove_rests(make_dir(out))
    in_order = sorted(entries, key=lambda entry: entry.id)
    n_rows = itertools.count()
    rows = (row for entry in in_order for row in _rows(entry, described[found[entry.id]]))
    path = write_descriptors(out / "descriptors.parquet", (row for row, _ in zip(rows, n_rows, strict=False)), meta)
    taken = set(found.values())
    return Imported(path, len(entries), next(n_rows), [name for name in described if name not in taken])


def _sha256(source: Path) -> str:
    with open_plain(source) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


Described = dict[str, list[Said]]
"""What is said, by class name."""
OBJECT_LIMIT = 512 * MIB
"""Of a source that is one JSON object, which must be read whole."""
LINE_LIMIT = MIB


def _read_object(author: str, form: str) -> Callable[[Path], Described]:
    """A reader of one JSON object of class names to lists of descriptions."""

    def read(source: Path) -> Described:
        value = read_json(source, "it must map class names to lists of descriptions", OBJECT_LIMIT)
        if not isinstance(value, dict) or not value:
            raise InputError(f"{source} holds no object; it must map class names to lists of descriptions")
        for name, texts in value.items():
            if not plain_text(name):
                raise InputError(f"{source} has a class without a name; give it one")
            if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
                raise InputError(f"{source}: class {name!r} has no list of texts; write {{name: [text, ...]}}")
        about = {"author": author, "prompt": form}
        return {
            name: [_said({"class": name, "text": text, **about}, f"{source}, class {name!r}")[1] for text in texts]
            for name, texts in value.items()
        }

    return read


def _read_lines(source: Path) -> Described:
    """JSON lines, each a `Line`; empty lines are passed over."""
    described: Described = {}
    for number, text in _lines(source):
        place = f"{source}, line {number}"
        try:
            value = parse_json(text)
        except ValueError as error:
            raise InputError(f"{place} is not JSON ({error}); write one object a line") from error
        name, said = _said(value, place)
        described.setdefault(name, []).append(said)
    if not described:
        raise InputError(f"{source} holds no line; write one object a line, with class and text")
    return described


def _lines(source: Path) -> Iterator[tuple[int, bytes]]:
    """The lines that are not empty, with their numbers, one in memory at a time."""
    with open_plain(source) as file:
        # Split at line feeds only: JSON may hold the other characters that str.splitlines takes for line ends.
        for number, line in enumerate(iter(lambda: file.readline(LINE_LIMIT + 1), b""), start=1):
            if len(line) > LINE_LIMIT:
                raise InputError(
                    f"{source}, line {number} is longer than {LINE_LIMIT:,} bytes; write one object a line"
                )
            if line.strip():
                yield number, line


def _said(value: object, place: str) -> tuple[str, Said]:
    """The class's name and the checked line; InputError says where and what is wrong."""
    try:
        line = Line.model_validate(value)
    except ValidationError as error:
        keys = ", ".join(field.alias or name for name, field in Line.model_fields.items())
        raise InputError(f"{place}: {first_problem(error)}; the keys are {keys}") from error
    # One object for the words that every line repeats.
    repeated = map(sys.intern, (line.facet, line.author, line.revision, line.prompt))
    return line.class_, Said(line.text, line.id, *repeated)


FORMATS: dict[str, tuple[Callable[[Path], Described], str]] = {
    "cupl": (
        _read_object("gpt-3 (CuPL)", "cupl"),
        "CuPL: Pratt et al., What does a platypus look like?, ICCV 2023",
    ),
    "dclip": (
        _read_object("gpt-3 (DCLIP)", "dclip"),
        "DCLIP: Menon and Vondrick, Visual Classification via Description, ICLR 2023",
    ),
    "jsonl": (_read_lines, "JSON lines"),
}
"""Format -> (reader, source)."""


def _entries(source: Path, described: Described) -> list[ClassEntry]:
    """The source's own classes; InputError when one of them has two ids."""
    entries = []
    for name, lines in described.items():
        ids = list(dict.fromkeys(line.id for line in lines if line.id)) or [slug(name)]
        if len(ids) > 1:
            raise InputError(f"{source}: class {name!r} has the ids {' and '.join(ids[:3])}; give it one")
        entries.append(ClassEntry(ids[0], name))
    return entries


def _match(source: Path, described: Described, entries: Sequence[ClassEntry]) -> dict[str, str]:
    """Class id -> its name in the source."""
    by_slug = {slug(name): name for name in described}
    by_slug |= {slug(line.id): name for name, lines in described.items() for line in lines if line.id}
    found = {}
    unknown = []
    for entry in entries:
        name = next((by_slug[key] for key in (slug(entry.name), slug(entry.id)) if key in by_slug), None)
        if name is None:
            unknown.append(entry.name)
            continue
        if not any(normalise_text(line.text) for line in described[name]):
            raise InputError(f"{source}: class {name!r} has no description; add one, or remove the class")
        found[entry.id] = name
    if unknown:
        listed = ", ".join(unknown[:5]) + (" ..." if len(unknown) > 5 else "")
        rule = "take them off the list, or spell them as in the source"
        raise InputError(f"{source} does not describe {len(unknown)} listed classes: {listed}; {rule}")
    return found


def _rows(entry: ClassEntry, lines: Sequence[Said]) -> Iterator[DescriptorRow]:
    alike: dict[str, list[tuple[int, Said]]] = {}
    for sample, line in enumerate(lines):
        if key := normalise_text(line.text):
            alike.setdefault(key, []).append((sample, line))
    for rank, same in enumerate(alike.values(), start=1):
        first = same[0][1]
        yield DescriptorRow(
            class_id=entry.id,
            class_name=entry.name,
            descriptor_id=descriptor_id(entry.id, first.text),
            text=first.text,
            facet=first.facet,
            authors=[_author(line, sample) for sample, line in same],
            kept=True,
            rank=rank,
            weight=1.0,
        )


def _author(line: Said, sample: int) -> Author:
    about: Mapping[str, str] = {"model": line.author, "revision": line.revision, "prompt": line.prompt}
    return Author(**about, sample=sample, seed=0, raw=line.text)
