"""Descriptions that others have published, brought into the contract as they are: nobody voted, all are kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
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
    try:
        data = source.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {source}: {error.strerror}; check the path") from error
    described = read(source, data)
    entries = list(classes) if classes is not None else _entries(source, described)
    require_clean(entries)
    found = _match(source, described, entries)
    rows = [row for entry in entries for row in _rows(entry, described[found[entry.id]])]
    meta = FileMetadata(
        run_id=out.resolve().name,
        config={"format": form, "source": source.name, "source_sha256": hashlib.sha256(data).hexdigest()},
        class_list_sha256=class_list_sha256(entries),
        package_versions={"syntrans": __version__},
        notes={
            "source": citation,
            "skipped": dict.fromkeys(("crosscheck", "ground", "filter", "compose"), _NOT_ASKED),
        },
    )
    path = write_descriptors(out / "descriptors.parquet", rows, meta)
    taken = set(found.values())
    return Imported(path, len(entries), len(rows), [name for name in described if name not in taken])


Described = dict[str, list[Line]]
"""Lines by class name."""


def _read_object(author: str, form: str) -> Callable[[Path, bytes], Described]:
    """A reader of one JSON object of class names to lists of descriptions."""

    def read(source: Path, data: bytes) -> Described:
        try:
            value = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{source} is not JSON ({error}); it must map class names to descriptions") from error
        if not isinstance(value, dict) or not value:
            raise InputError(f"{source} holds no object; it must map class names to lists of descriptions")
        for name, texts in value.items():
            if not plain_text(name):
                raise InputError(f"{source} has a class without a name; give it one")
            if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
                raise InputError(f"{source}: class {name!r} has no list of texts; write {{name: [text, ...]}}")
        about = {"author": author, "prompt": form}
        return {
            name: [Line.model_validate({"class": name, "text": text, **about}) for text in texts]
            for name, texts in value.items()
        }

    return read


def _read_lines(source: Path, data: bytes) -> Described:
    """JSON lines, each a `Line`; empty lines are passed over."""
    described: Described = {}
    # Split at line feeds only: JSON may hold the other characters that str.splitlines takes for line ends.
    for number, text in enumerate(data.split(b"\n"), start=1):
        if not text.strip():
            continue
        try:
            line = Line.model_validate(json.loads(text))
        except ValidationError as error:
            keys = ", ".join(field.alias or name for name, field in Line.model_fields.items())
            raise InputError(f"{source}, line {number}: {first_problem(error)}; the keys are {keys}") from error
        except (ValueError, RecursionError) as error:
            raise InputError(f"{source}, line {number} is not JSON ({error}); write one object a line") from error
        described.setdefault(line.class_, []).append(line)
    if not described:
        raise InputError(f"{source} holds no line; write one object a line, with class and text")
    return described


FORMATS: dict[str, tuple[Callable[[Path, bytes], Described], str]] = {
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


def _rows(entry: ClassEntry, lines: Sequence[Line]) -> list[DescriptorRow]:
    said: dict[str, list[Author]] = {}
    first: dict[str, tuple[str, str]] = {}
    for sample, line in enumerate(lines):
        key = normalise_text(line.text)
        if not key:
            continue
        said.setdefault(key, []).append(_author(line, sample))
        first.setdefault(key, (line.text, line.facet))
    return [
        DescriptorRow(
            class_id=entry.id,
            class_name=entry.name,
            descriptor_id=descriptor_id(entry.id, first[key][0]),
            text=first[key][0],
            facet=first[key][1],
            authors=authors,
            kept=True,
            rank=rank,
            weight=1.0,
        )
        for rank, (key, authors) in enumerate(said.items(), start=1)
    ]


def _author(line: Line, sample: int) -> Author:
    about: Mapping[str, str] = {"model": line.author, "revision": line.revision, "prompt": line.prompt}
    return Author(**about, sample=sample, seed=0, raw=line.text)
