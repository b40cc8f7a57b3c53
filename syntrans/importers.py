"""Descriptions that others have published, brought into the contract as they are: nobody voted, all are kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from syntrans import __version__
from syntrans.classes import ClassEntry, class_list_sha256, require_clean, slug
from syntrans.contract import (
    Author,
    DescriptorRow,
    FileMetadata,
    descriptor_id,
    normalise_text,
    write_descriptors,
)
from syntrans.errors import InputError, UsageError
from syntrans.paths import new_run_id

AUTHORS = {
    "cupl": ("gpt-3 (CuPL)", "CuPL: Pratt et al., What does a platypus look like?, ICCV 2023"),
    "dclip": ("gpt-3 (DCLIP)", "DCLIP: Menon and Vondrick, Visual Classification via Description, ICLR 2023"),
}
"""Format -> (author model, source)."""
_NOT_ASKED = "the descriptions are taken over as published"


class Imported(NamedTuple):
    """What an import wrote, and the classes of the source that the class list does not have."""

    descriptors: Path
    n_classes: int
    n_rows: int
    left_out: list[str]


def import_descriptions(source: Path, form: str, out: Path, classes: Sequence[ClassEntry] | None = None) -> Imported:
    """Write ``out/descriptors.parquet`` from a JSON object of class names to lists of descriptions.

    Sentences stay whole; one that a class has twice becomes one row with two authors. With ``classes`` these are
    taken, in any spelling that gives the same slug; without, every class of the source. InputError for malformed
    JSON, and for a listed class that the source does not describe.
    """
    if form not in AUTHORS:
        raise UsageError(f"--format {form!r} is not known; one of: {', '.join(AUTHORS)}")
    data, described = _read(source)
    entries = list(classes) if classes is not None else [ClassEntry(slug(name), name) for name in described]
    require_clean(entries)
    found = _match(source, described, entries)
    rows = [row for entry in entries for row in _rows(entry, described[found[entry.id]], form)]
    meta = FileMetadata(
        run_id=new_run_id(),
        config={"format": form, "source": source.name, "source_sha256": hashlib.sha256(data).hexdigest()},
        class_list_sha256=class_list_sha256(entries),
        package_versions={"syntrans": __version__},
        notes={
            "source": AUTHORS[form][1],
            "skipped": dict.fromkeys(("crosscheck", "ground", "filter", "compose"), _NOT_ASKED),
        },
    )
    path = write_descriptors(out / "descriptors.parquet", rows, meta)
    taken = set(found.values())
    return Imported(path, len(entries), len(rows), [name for name in described if name not in taken])


def _read(source: Path) -> tuple[bytes, dict[str, list[str]]]:
    try:
        data = source.read_bytes()
        value = json.loads(data)
    except OSError as error:
        raise InputError(f"cannot read {source}: {error.strerror}; check the path") from error
    except ValueError as error:
        raise InputError(f"{source} is not JSON ({error}); it must map class names to descriptions") from error
    if not isinstance(value, dict) or not value:
        raise InputError(f"{source} holds no object; it must map class names to lists of descriptions")
    for name, texts in value.items():
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise InputError(f"{source}: class {name!r} has no list of texts; write {{name: [text, ...]}}")
        if not any(text.strip() for text in texts):
            raise InputError(f"{source}: class {name!r} has no description; add one, or remove the class")
    return data, value


def _match(source: Path, described: dict[str, list[str]], entries: Sequence[ClassEntry]) -> dict[str, str]:
    """Class id -> its name in the source."""
    by_slug = {slug(name): name for name in described}
    found = {}
    unknown = []
    for entry in entries:
        name = next((by_slug[key] for key in (slug(entry.name), slug(entry.id)) if key in by_slug), None)
        if name is None:
            unknown.append(entry.name)
        else:
            found[entry.id] = name
    if unknown:
        listed = ", ".join(unknown[:5]) + (" ..." if len(unknown) > 5 else "")
        rule = "take them off the list, or spell them as in the source"
        raise InputError(f"{source} does not describe {len(unknown)} listed classes: {listed}; {rule}")
    return found


def _rows(entry: ClassEntry, texts: Sequence[str], form: str) -> list[DescriptorRow]:
    model = AUTHORS[form][0]
    said: dict[str, list[Author]] = {}
    first: dict[str, str] = {}
    for sample, raw in enumerate(texts):
        text = " ".join(raw.split())
        key = normalise_text(text)
        if not key:
            continue
        author = Author(model=model, revision="published", prompt=form, sample=sample, seed=0, raw=raw)
        said.setdefault(key, []).append(author)
        first.setdefault(key, text)
    return [
        DescriptorRow(
            class_id=entry.id,
            class_name=entry.name,
            descriptor_id=descriptor_id(entry.id, first[key]),
            text=first[key],
            facet="other",
            authors=authors,
            kept=True,
            rank=rank,
            weight=1.0,
        )
        for rank, (key, authors) in enumerate(said.items(), start=1)
    ]
