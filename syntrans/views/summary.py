"""The pages of `syntrans inspect`, for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from syntrans.descriptors.summary import short
from syntrans.tables import add_row, heading, line, number, print_parts, share, table

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

SPARE = ("elsewhere", "contrast", "CLIP", "nearest", "margin", "votes", "seen", "agree", "told from", "said by")
"""Columns that a narrow terminal can do without, in this order; the JSON has them all."""


def render(summary: dict[str, Any], console: Console) -> None:
    """Print a summary of `syntrans.descriptors.summary.summarise`."""
    print_parts(list(_parts(summary, console.width)), console)


def _parts(summary: dict[str, Any], width: int) -> Iterable[RenderableType]:
    yield line(summary["file"], style="bold")
    models = ", ".join(dict.fromkeys(short(model) for model in summary["models"])) or "none recorded"
    spread = summary["kept_per_class"]
    yield line(f"run {summary['run_id']}, schema {summary['schema_version']}, models: {models}")
    yield line(
        f"{summary['classes']:,} classes, {summary['rows']:,} rows, {summary['kept']:,} kept "
        f"({share(summary['kept'], summary['rows'])}); per class {spread['min']} to {spread['max']}, "
        f"median {spread['median']:g}"
    )
    facets = ", ".join(f"{facet} {count}" for facet, count in summary["kept_by_facet"].items())
    yield line(f"kept by facet: {facets or 'none'}")
    yield line(f"{summary['images_seen']:,} pictures were seen")
    for why in dict.fromkeys(summary["skipped"].values()):
        steps = [step for step in summary["skipped"] if summary["skipped"][step] == why]
        yield line(f"skipped: {', '.join(steps)} ({why})")
    yield from heading("where rows ended", _reasons_table(summary), width)
    yield from heading("who said it", _authors_table(summary), width)
    yield from _class_tables(summary["class"], width)


def _reasons_table(summary: dict[str, Any]) -> Table:
    reasons = table("step", "reason", ">rows", ">share", whole=("step", "reason"))
    for dropped in summary["dropped"]:
        part = share(dropped["rows"], summary["rows"])
        add_row(reasons, dropped["stage"], dropped["reason"], f"{dropped['rows']:,}", part)
    add_row(reasons, "kept", "", f"{summary['kept']:,}", share(summary["kept"], summary["rows"]), style="green")
    return reasons


def _authors_table(summary: dict[str, Any]) -> Table:
    authors = table("author", ">rows", ">kept", ">share kept")
    for author in summary["kept_by_author"]:
        part = share(author["kept"], author["rows"])
        add_row(authors, short(author["model"]), f"{author['rows']:,}", f"{author['kept']:,}", part)
    return authors


def _class_tables(one: dict[str, Any], width: int) -> Iterable[RenderableType]:
    title = f"{one['class_name']} ({one['class_id']})"
    kept = [row for row in one["rows"] if row["kept"]]
    dropped = [row for row in one["rows"] if not row["kept"]]
    evidence = [_evidence(row) for row in one["rows"]]
    # A column that nobody filled in (no votes, no pictures) is left out.
    shown = [name for name in evidence[0] if any(row[name] != "-" for row in evidence)]
    if all(row["contrast"] in {"-", row["nearest"]} for row in evidence):
        shown = [name for name in shown if name != "contrast"]
    if kept:
        rows = _class_table(kept, ("rank", "weight"), shown)
        yield from heading(f"{title}: {len(kept)} kept", rows, width, SPARE)
    if dropped:
        texts = {row["descriptor_id"]: row["text"] for row in one["rows"]}
        rows = _class_table(dropped, ("stage", "reason"), shown, texts)
        yield from heading(f"{title}: {len(dropped)} dropped", rows, width, SPARE)


def _class_table(
    rows: Sequence[dict[str, Any]], first: tuple[str, str], shown: Sequence[str], texts: Mapping[str, str] | None = None
) -> Table:
    """``first``: two keys of a row. ``texts`` by descriptor id: what a row says again that another one says."""
    titles = tuple("step" if key == "stage" else key for key in first)
    mark = ">" if first[0] == "rank" else ""
    words = {"told from", "said by", "votes", "contrast", "nearest"}
    heads = [name if name in words else f">{name}" for name in shown]
    again = ["duplicate of"] if texts and any(row["duplicate_of"] for row in rows) else []
    listing = table(*(f"{mark}{title}" for title in titles), "text", *again, *heads, whole=titles)
    for row in rows:
        evidence, other = _evidence(row), row["duplicate_of"]
        same = [(texts or {}).get(other, other) or "-" for _ in again]
        cells = (_cell(row[first[0]]), _cell(row[first[1]]), row["text"], *same, *(evidence[name] for name in shown))
        add_row(listing, *cells, style="" if row["kept"] else "dim")
    return listing


def _evidence(row: dict[str, Any]) -> dict[str, str]:
    said = Counter(short(author["model"]) for author in row["authors"])
    seen, clip = row["grounding"] or {}, row["clip"] or {}
    return {
        "told from": row.get("contrast_with") or "-",
        "said by": ", ".join(f"{name} x{n}" if n > 1 else name for name, n in said.items()),
        "votes": ", ".join(map(_vote, row["votes"])) or "-",
        "agree": number(row["agreement"]),
        "seen": number(seen.get("p_yes")),
        "elsewhere": number(seen.get("p_yes_contrast")),
        "contrast": seen.get("contrast_class") or "-",
        "CLIP": number(clip.get("similarity"), digits=3),
        "margin": number(clip.get("margin"), digits=3, sign="+"),
        "nearest": clip.get("neighbour") or "-",
    }


def _vote(vote: dict[str, Any]) -> str:
    """A judge, its P(yes), and after an arrow what that is worth after calibration."""
    worth = vote.get("p_calibrated")
    return f"{short(vote['model'])} {number(vote['p_yes'])}" + ("" if worth is None else f" → {number(worth)}")


def _cell(value: float | str | None) -> str:
    return number(value) if isinstance(value, float) else "-" if value is None else str(value)
