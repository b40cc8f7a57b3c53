"""What a descriptor file says: counts, where rows ended and why, and one class in full with who said what."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from syntrans.classes.entries import ClassEntry
from syntrans.classes.match import match
from syntrans.contract.reading import read_descriptors
from syntrans.contract.rows import REASONS, STAGES, DescriptorRow, FileMetadata
from syntrans.errors import InputError
from syntrans.text_safety import plain_text


def descriptor_file(path: Path) -> Path:
    """The file itself, or the one in the folder of a run.

    InputError, with what would write it, if neither is there.
    """
    file = path / "descriptors.parquet" if path.is_dir() or not path.suffix else path
    if file.exists():
        return file
    if "demo" in path.parts:
        raise InputError(f"{file} is not there: the demo was not run here; run: syntrans demo")
    raise InputError(f"{file} is not there; give the folder of a finished run of mine or import")


def summarise(path: Path, class_ref: str | None = None) -> dict[str, Any]:
    """Everything `inspect_view.render` shows, as plain values; ``class_ref`` is an id or a name.

    InputError if the file does not keep the contract, or has no such class.
    """
    rows, meta = read_descriptors(path)
    if not rows:
        raise InputError(f"{path} holds no row; run `syntrans mine` again")
    kept = Counter(row.class_id for row in rows if row.kept)
    per_class = [kept[class_id] for class_id in {row.class_id for row in rows}]
    dropped = Counter((row.stage or "", row.reason or "") for row in rows if not row.kept)
    order = sorted(dropped, key=lambda pair: (STAGES.index(pair[0]), REASONS.index(pair[1])))
    return {
        "schema_version": meta.schema_version,
        "file": str(path),
        "run_id": meta.run_id,
        "git_commit": meta.git_commit,
        "models": meta.model_revisions,
        "images_seen": len(meta.images_seen),
        "skipped": _skipped(meta),
        "classes": len(per_class),
        "rows": len(rows),
        "kept": sum(per_class),
        "kept_per_class": {
            "min": min(per_class),
            "median": statistics.median(per_class),
            "max": max(per_class),
        },
        "dropped": [{"stage": s, "reason": r, "rows": dropped[s, r]} for s, r in order],
        "kept_by_facet": dict(Counter(row.facet for row in rows if row.kept).most_common()),
        "kept_by_author": _by_author(rows),
        "class": _one_class(path, rows, class_ref),
    }


def short(model: str) -> str:
    """The last part of a model's name, which is what tells models of one run apart."""
    return plain_text(model.rstrip("/").rsplit("/", 1)[-1])


def find_class(path: Path, rows: Sequence[DescriptorRow], class_ref: str) -> str:
    """The id of the class that ``class_ref`` (id or name) means; InputError names close ones, or several that fit."""
    classes = dict.fromkeys(ClassEntry(row.class_id, row.class_name) for row in rows)
    matched = match([ClassEntry(class_ref, class_ref)], classes, str(path)).found
    if matched:
        return matched[class_ref]
    import difflib

    names = [entry.name for entry in classes]
    close = difflib.get_close_matches(class_ref, names, n=3, cutoff=0.4) or names[:3]
    raise InputError(f"{path} has no class {class_ref!r}; it has {len(names)}, among them {', '.join(close)}")


def _skipped(meta: FileMetadata) -> dict[str, str]:
    value = meta.notes.get("skipped")
    return {str(stage): str(why) for stage, why in value.items()} if isinstance(value, dict) else {}


def _by_author(rows: Iterable[DescriptorRow]) -> list[dict[str, Any]]:
    """For every author: rows proposed, and how many of them were kept."""
    proposed: Counter[str] = Counter()
    kept: Counter[str] = Counter()
    for row in (row for row in rows if row.stage != "propose"):  # dropped there: a question without an answer
        for model in {author.model for author in row.authors}:
            proposed[model] += 1
            kept[model] += row.kept
    return [{"model": model, "rows": proposed[model], "kept": kept[model]} for model in sorted(proposed)]


def _one_class(path: Path, rows: Sequence[DescriptorRow], class_ref: str | None) -> dict[str, Any]:
    if class_ref is None:
        chosen = next((row.class_id for row in rows if row.kept), rows[0].class_id)
    else:
        chosen = find_class(path, rows, class_ref)
    class_rows = [row for row in rows if row.class_id == chosen]
    stages = (*STAGES, None)
    class_rows.sort(key=lambda row: (not row.kept, row.rank or 0, -stages.index(row.stage)))
    return {
        "class_id": chosen,
        "class_name": class_rows[0].class_name,
        "rows": [row.model_dump(mode="json", exclude={"class_id", "class_name"}) for row in class_rows],
    }
