"""What two descriptor files have in common and what not: settings, rows by id, where they ended, and their scores."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from syntrans.config import dotted
from syntrans.contract.reading import read_descriptors
from syntrans.descriptors.summary import find_class
from syntrans.tables import add_row, heading, line, number, print_parts, table

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from syntrans.contract.rows import DescriptorRow, FileMetadata

ABSENT, KEPT = "absent", "kept"
CLASSES_SHOWN = 20
CHANGES_SHOWN = 30
SCORES: dict[str, Callable[[DescriptorRow], float | None]] = {
    "agreement": lambda row: row.agreement,
    "grounding.p_yes": lambda row: row.grounding.p_yes if row.grounding else None,
    "grounding.p_yes_contrast": lambda row: row.grounding.p_yes_contrast if row.grounding else None,
    "clip.similarity": lambda row: row.clip.similarity if row.clip else None,
    "clip.margin": lambda row: row.clip.margin if row.clip else None,
}


def diff(a: Path, b: Path, class_ref: str | None = None) -> dict[str, Any]:
    """Everything `render` shows, as plain values. Rows are the same when their ``descriptor_id`` is.

    ``class_ref`` limits everything but the settings to one class. InputError if a file does not keep the contract.
    """
    (rows_a, meta_a), (rows_b, meta_b) = read_descriptors(a), read_descriptors(b)
    if class_ref is not None:
        chosen = find_class(a, [*rows_a, *rows_b], class_ref)
        rows_a = [row for row in rows_a if row.class_id == chosen]
        rows_b = [row for row in rows_b if row.class_id == chosen]
    before = {row.descriptor_id: row for row in rows_a}
    after = {row.descriptor_id: row for row in rows_b}
    changes = _changes(before, after)
    return {
        "schema_version": 1,
        "a": _side(a, rows_a, meta_a),
        "b": _side(b, rows_b, meta_b),
        "settings": _settings(meta_a, meta_b),
        "rows": {
            "in_both": len(before.keys() & after.keys()),
            "only_a": len(before.keys() - after.keys()),
            "only_b": len(after.keys() - before.keys()),
        },
        "moves": _moves(changes),
        "classes": _classes(rows_a, rows_b, changes),
        "scores": _scores(before, after),
        "changes": changes,
    }


def _side(path: Path, rows: list[DescriptorRow], meta: FileMetadata) -> dict[str, Any]:
    classes = len({row.class_id for row in rows})
    kept = sum(row.kept for row in rows)
    return {"file": str(path), "run_id": meta.run_id, "classes": classes, "rows": len(rows), "kept": kept}


def _settings(a: FileMetadata, b: FileMetadata) -> list[dict[str, Any]]:
    """Config keys, models, prompts, versions, class list and pictures that differ; a key that is not there is null."""
    left, right = dotted(_facts(a)), dotted(_facts(b))
    keys = sorted(left.keys() | right.keys())
    return [{"key": key, "a": left.get(key), "b": right.get(key)} for key in keys if left.get(key) != right.get(key)]


def _facts(meta: FileMetadata) -> dict[str, Any]:
    return {
        **meta.config,
        "model_revisions": meta.model_revisions,
        "prompt_sha256": {name: digest[:12] for name, digest in meta.prompt_sha256.items()},
        "package_versions": meta.package_versions,
        "class_list_sha256": meta.class_list_sha256[:12],
        "images_seen": len(meta.images_seen),
        "git_commit": meta.git_commit,
    }


def _ended(row: DescriptorRow | None) -> str:
    if row is None:
        return ABSENT
    return KEPT if row.kept else f"{row.stage}: {row.reason}"


def _changes(before: Mapping[str, DescriptorRow], after: Mapping[str, DescriptorRow]) -> list[dict[str, Any]]:
    """Every row that ended elsewhere or is in one file only, by class and text."""
    changes = []
    for key in before.keys() | after.keys():
        old, new = before.get(key), after.get(key)
        row = new or old
        if row is not None and _ended(old) != _ended(new):
            named = {"class_id": row.class_id, "class_name": row.class_name, "descriptor_id": key, "text": row.text}
            changes.append({**named, "a": _ended(old), "b": _ended(new)})
    return sorted(changes, key=lambda change: (change["class_id"], change["text"], change["descriptor_id"]))


def _moves(changes: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    counted = Counter((change["a"], change["b"]) for change in changes)
    return [{"a": a, "b": b, "rows": rows} for (a, b), rows in sorted(counted.items(), key=lambda i: (-i[1], i[0]))]


def _classes(a: list[DescriptorRow], b: list[DescriptorRow], changes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """For every class of either file: rows kept in each, and how many joined or left the kept ones."""
    names = {row.class_id: row.class_name for row in [*a, *b]}
    kept_a, kept_b = (Counter(row.class_id for row in rows if row.kept) for rows in (a, b))
    gained = Counter(change["class_id"] for change in changes if change["b"] == KEPT)
    lost = Counter(change["class_id"] for change in changes if change["a"] == KEPT)
    return [
        {
            "class_id": class_id,
            "class_name": names[class_id],
            "kept_a": kept_a[class_id],
            "kept_b": kept_b[class_id],
            "gained": gained[class_id],
            "lost": lost[class_id],
        }
        for class_id in sorted(names)
    ]


def _scores(before: Mapping[str, DescriptorRow], after: Mapping[str, DescriptorRow]) -> list[dict[str, Any]]:
    """How each score of the rows in both files moved: b - a."""
    shifts_by_score = []
    for name, of in SCORES.items():
        pairs = [(of(before[key]), of(after[key])) for key in sorted(before.keys() & after.keys())]
        shifts = [new - old for old, new in pairs if old is not None and new is not None]
        if shifts:
            largest = max(shifts, key=abs)
            shifts_by_score.append(
                {"score": name, "rows": len(shifts), "mean": statistics.fmean(shifts), "largest": largest}
            )
    return shifts_by_score


def render(summary: dict[str, Any], console: Console) -> None:
    """Print a comparison; long tables end with a line that counts the rest, which is in the JSON."""
    print_parts(list(_parts(summary, console.width)), console)


def _parts(difference: dict[str, Any], width: int) -> Iterable[RenderableType]:
    for side in ("a", "b"):
        one = difference[side]
        counts = f"{one['classes']:,} classes, {one['rows']:,} rows, {one['kept']:,} kept"
        yield line(f"{side.upper()}  {one['file']}  run {one['run_id']}: {counts}", style="bold")
    rows, listing = difference["rows"], partial(_listing, width)
    yield line(f"rows in both {rows['in_both']:,}, only in A {rows['only_a']:,}, only in B {rows['only_b']:,}")
    yield from listing("settings that differ", ("key", "A", "B"), [tuple(s.values()) for s in difference["settings"]])
    moves = [(move["a"], move["b"], f"{move['rows']:,}") for move in difference["moves"]]
    yield from listing("where rows went", ("in A", "in B", ">rows"), moves)
    scores = [
        (score["score"], f"{score['rows']:,}", *(number(score[k], digits=3, sign="+") for k in ("mean", "largest")))
        for score in difference["scores"]
    ]
    yield from listing("scores of the rows in both, B - A", ("score", ">rows", ">mean", ">largest"), scores)
    moved = sorted(difference["classes"], key=lambda c: (-c["gained"] - c["lost"], c["class_id"]))
    classes = [
        (c["class_name"], c["kept_a"], c["kept_b"], f"+{c['gained']}", f"-{c['lost']}")
        for c in moved
        if c["gained"] + c["lost"]
    ]
    heads = ("class", ">kept in A", ">kept in B", ">gained", ">lost")
    yield from listing("classes that keep other rows", heads, classes, limit=CLASSES_SHOWN)
    kept = [(c["class_name"], c["text"], c["a"], c["b"]) for c in difference["changes"] if KEPT in (c["a"], c["b"])]
    yield from listing("rows gained and lost", ("class", "text", "in A", "in B"), kept, limit=CHANGES_SHOWN)


def _listing(
    width: int, title: str, heads: tuple[str, ...], rows: list[tuple[Any, ...]], *, limit: int = 60
) -> Iterable[RenderableType]:
    if not rows:
        yield line("")
        yield line(f"{title}: none")
        return
    listing = table(*heads, whole=("in A", "in B"))
    for row in rows[:limit]:
        add_row(listing, *("-" if cell is None else cell for cell in row))
    yield from heading(title, listing, width)
    if len(rows) > limit:
        yield line(f"... and {len(rows) - limit:,} more (--json has all; --class NAME shows one class)")
