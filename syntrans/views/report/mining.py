"""A descriptor file as data of the page: every row, kept or not, in columns; and how the run went."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from syntrans.classes.entries import ClassEntry
from syntrans.contract.reading import read_descriptors
from syntrans.contract.rows import STAGES
from syntrans.descriptors.edits import records_of
from syntrans.descriptors.run_facts import calls_of, models_of, read_report
from syntrans.descriptors.summary import short
from syntrans.files.input_files import parse_json, read_text
from syntrans.images.columns import Columns
from syntrans.provenance import file_sha256
from syntrans.views.report.columns import NONE, Numbered, thousandths
from syntrans.views.report.provenance import Facts, listed, machine

if TYPE_CHECKING:
    from syntrans.contract.rows import DescriptorRow, FileMetadata

PROMPTS = "prompts.jsonl"
"""Questions and answers of a preview, one a line, beside the descriptors (`syntrans mine --limit`)."""
TOO_LITTLE = 3
"""A class that keeps fewer is named as one with too little."""


def mining_part(file: Path) -> dict[str, Any]:
    """The part of a ``descriptors.parquet``; InputError where it does not keep the contract, or holds no row."""
    rows, meta = read_descriptors(file)
    run = read_report(file.parent / "run.json")
    return {
        "kind": "mining",
        "title": f"Mining {meta.run_id}",
        "place": str(file.parent),
        "run_id": meta.run_id,
        "sha256": file_sha256(file),
        "columns": _columns(rows),
        "stages": _stages(run),
        "calls": calls_of(run),
        "skipped": meta.notes.get("skipped") or {},
        "edits": records_of(meta.notes),
        "prompts": read_prompts(file.parent / PROMPTS),
        "pictures_at": meta.pictures.path if meta.pictures else None,
        "image_column": (meta.config.get("images") or {}).get("image_column"),
        "label_column": (meta.config.get("images") or {}).get("label_column"),
        "models": models_of(rows, meta),
        "too_little": TOO_LITTLE,
        "facts": _facts(meta, run),
        "config": json.dumps(meta.config, indent=2, ensure_ascii=False),
        "limits": _limits(rows, meta),
    }


def add_thumbnails(part: dict[str, Any], source: str) -> None:
    """Put the pictures at ``source`` that the vision-language model saw into a part, as ``thumbnails`` by sha256."""
    from syntrans.views.report.thumbnails import of_classes

    columns = Columns(part["image_column"], part["label_column"], section="images")
    table = part["columns"]
    there = sorted(set(table["rows"]["class"]))
    classes = [ClassEntry(*table["classes"][number]) for number in there]
    part["thumbnails"] = of_classes(source, classes, set(table["pictures"]), columns)


def read_prompts(path: Path) -> list[dict[str, Any]]:
    """The lines of a preview; none where there is no such file, and without lines that are none."""
    if not path.is_file():
        return []
    prompts = []
    for line in read_text(path).splitlines():
        try:
            value = parse_json(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            prompts.append(value)
    return prompts


def _columns(rows: Sequence[DescriptorRow]) -> dict[str, Any]:
    classes, models, facets = Numbered[tuple[str, str]](), Numbered[str](), Numbered[str]()
    authors, ends, pictures = Numbered[tuple[tuple[int, int], ...]](), Numbered[tuple[str, str]](), Numbered[str]()
    place = {row.descriptor_id: number for number, row in enumerate(rows)}
    names = {row.class_id: row.class_name for row in rows}

    def class_of(class_id: str | None) -> int:
        return NONE if class_id is None else classes.number((class_id, names.get(class_id, class_id)))

    columns: dict[str, Any] = {
        "class": [class_of(row.class_id) for row in rows],
        "id": [row.descriptor_id for row in rows],
        "text": [row.text for row in rows],
        "facet": [facets.number(row.facet) for row in rows],
        "told_from": [class_of(row.contrast_with) for row in rows],
        "said_by": [authors.number(_said_by(row, models)) for row in rows],
        "words": [_words(row) for row in rows],
        "votes": _votes(rows, models),
        "agreement": [thousandths(row.agreement) for row in rows],
        "ended": [NONE if row.kept else ends.number((str(row.stage), str(row.reason))) for row in rows],
        "same_as": [place.get(row.duplicate_of or "", NONE) for row in rows],
        "rank": [row.rank for row in rows],
        "weight": [thousandths(row.weight) for row in rows],
        **_evidence(rows, class_of, pictures),
    }
    order = sorted(ends.values, key=lambda end: STAGES.index(end[0]))
    moved = {ends.number(end): number for number, end in enumerate(order)}
    columns["ended"] = [NONE if end == NONE else moved[end] for end in columns["ended"]]
    return {
        "rows": columns,
        "classes": classes.values,
        "models": [(name, short(name)) for name in models.values],
        "facets": facets.values,
        "authors": authors.values,
        "ends": order,
        "pictures": pictures.values,
    }


def _said_by(row: DescriptorRow, models: Numbered[str]) -> tuple[tuple[int, int], ...]:
    """Number of each author's model, and how often it said so."""
    said: dict[int, int] = {}
    for author in row.authors:
        number = models.number(author.model)
        said[number] = said.get(number, 0) + 1
    return tuple(said.items())


def _words(row: DescriptorRow) -> list[str]:
    """What the authors said, where that is not the text itself."""
    return list(dict.fromkeys(author.raw for author in row.authors if author.raw != row.text))


def _votes(rows: Sequence[DescriptorRow], models: Numbered[str]) -> list[dict[str, Any]]:
    """A column of P(yes) for each judge, and what that is worth after calibration; null where it was not asked."""
    judges: dict[int, tuple[list[int | None], list[int | None]]] = {}
    for number, row in enumerate(rows):
        for vote in row.votes:
            said, worth = judges.setdefault(models.number(vote.model), ([None] * len(rows), [None] * len(rows)))
            said[number], worth[number] = thousandths(vote.p_yes), thousandths(vote.p_calibrated)
    return [
        {"model": model, "p": said, "worth": worth if any(w is not None for w in worth) else None}
        for model, (said, worth) in sorted(judges.items())
    ]


def _evidence(rows: Sequence[DescriptorRow], class_of: Any, pictures: Numbered[str]) -> dict[str, Any]:
    """What the vision-language model saw, and CLIP's view."""
    seen = [row.grounding for row in rows]
    clip = [row.clip for row in rows]
    sets = Numbered[tuple[int, ...]]()
    return {
        "seen": [thousandths(g.p_yes) if g else None for g in seen],
        "elsewhere": [thousandths(g.p_yes_contrast) if g else None for g in seen],
        "elsewhere_class": [class_of(g.contrast_class) if g else NONE for g in seen],
        "shown": [sets.number(tuple(map(pictures.number, g.images))) if g else NONE for g in seen],
        "shown_sets": sets.values,
        "similarity": [thousandths(c.similarity) if c else None for c in clip],
        "margin": [thousandths(c.margin) if c else None for c in clip],
        "neighbour": [class_of(c.neighbour) if c else NONE for c in clip],
    }


def _stages(run: Mapping[str, Any]) -> dict[str, Any]:
    """Seconds of each stage, and its answers and tokens a second, where a ``run.json`` says so."""
    keys = ("seconds", "answers_per_second", "tokens_per_second")
    return {name: {key: stage.get(key) for key in keys} for name, stage in (run.get("stages") or {}).items()}


def _facts(meta: FileMetadata, run: Mapping[str, Any]) -> Facts:
    pictures = meta.pictures
    facts = [
        ("run", meta.run_id),
        ("edited from", meta.notes.get("edit_of")),
        ("decided again from", meta.notes.get("refilter_of")),
        ("seconds", run.get("wall_seconds")),
        ("seed", meta.config.get("seed")),
        ("commit", meta.git_commit),
        ("machine", machine(run.get("hardware") or {})),
        ("versions", listed(meta.package_versions)),
        ("class list, sha256", meta.class_list_sha256),
        ("prompts, sha256", listed({name: digest[:12] for name, digest in meta.prompt_sha256.items()})),
        ("pictures", pictures and f"{pictures.images} at {pictures.path}"),
        ("pictures that were looked at", len(meta.images_seen) or None),
        ("schema version", meta.schema_version),
    ]
    return [(label, str(text)) for label, text in facts if text not in (None, "")]


def _limits(rows: Sequence[DescriptorRow], meta: FileMetadata) -> list[str]:
    """What the page does not show, in sentences."""
    limits = [
        "Votes, pictures and CLIP are evidence, not truth: what all models believe wrongly is kept.",
        "How much the descriptors help is measured by syntrans evaluate, beside its controls, and not here.",
    ]
    skipped = meta.notes.get("skipped")
    if isinstance(skipped, dict) and skipped:
        limits.append("Not done: " + "; ".join(f"{stage} ({why})" for stage, why in skipped.items()) + ".")
    if not any(row.grounding for row in rows):
        limits.append("No statement was checked against pictures.")
    return limits
