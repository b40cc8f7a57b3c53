"""What a descriptor file says: counts, where rows ended and why, and one class in full with who said what."""

from __future__ import annotations

import statistics
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from syntrans.classes import slug
from syntrans.contract import REASONS, STAGES, DescriptorRow, FileMetadata, read_descriptors
from syntrans.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

WIDE = 130
DETAILS = ("elsewhere", "contrast", "CLIP", "nearest")
"""Columns that only consoles of at least WIDE characters show."""


def summarise(path: Path, class_ref: str | None = None) -> dict[str, Any]:
    """Everything `render` shows, as plain values; ``class_ref`` is an id, a name or its slug.

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


def render(summary: dict[str, Any], console: Console) -> None:
    """Print a summary as aligned tables without vertical lines; a pipe gets no blanks at the ends of lines.

    A narrow terminal gets fewer columns rather than words in pieces; all of them are in the JSON.
    """
    parts = list(_parts(summary, narrow=console.width < WIDE))
    if console.is_terminal:
        console.print(*parts, sep="\n", highlight=False)
        return
    with console.capture() as captured:
        console.print(*parts, sep="\n", highlight=False)
    lines = (line.rstrip() for line in captured.get().splitlines())
    console.file.write("\n".join(lines) + "\n")


def plain(text: object) -> str:
    """Model text for a terminal: control and invisible characters out, line breaks to spaces."""
    spaced = " ".join(str(text).split())
    return "".join(c for c in spaced if unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Co", "Cn"})


def short(model: str) -> str:
    """The last part of a model's name, which is what tells models of one run apart."""
    return plain(model.rstrip("/").rsplit("/", 1)[-1])


def _skipped(meta: FileMetadata) -> dict[str, str]:
    value = meta.notes.get("skipped")
    return {str(stage): str(why) for stage, why in value.items()} if isinstance(value, dict) else {}


def _by_author(rows: Iterable[DescriptorRow]) -> list[dict[str, Any]]:
    """For every author: rows proposed, and how many of them were kept."""
    proposed: Counter[str] = Counter()
    kept: Counter[str] = Counter()
    for row in rows:
        for model in {author.model for author in row.authors}:
            proposed[model] += 1
            kept[model] += row.kept
    return [{"model": model, "rows": proposed[model], "kept": kept[model]} for model in sorted(proposed)]


def _one_class(path: Path, rows: Sequence[DescriptorRow], class_ref: str | None) -> dict[str, Any]:
    if class_ref is None:
        chosen = next((row.class_id for row in rows if row.kept), rows[0].class_id)
    else:
        wanted = {class_ref, slug(class_ref)}
        spellings = ((row.class_id, row.class_name, slug(row.class_name)) for row in rows)
        chosen = next((names[0] for names in spellings if wanted & set(names)), "")
    own = [row for row in rows if row.class_id == chosen]
    if not own:
        import difflib

        names = list(dict.fromkeys(row.class_name for row in rows))
        close = difflib.get_close_matches(class_ref or "", names, n=3, cutoff=0.4) or names[:3]
        raise InputError(f"{path} has no class {class_ref!r}; it has {len(names)}, among them {', '.join(close)}")
    stages = (*STAGES, None)
    own.sort(key=lambda row: (not row.kept, row.rank or 0, -stages.index(row.stage)))
    return {
        "class_id": chosen,
        "class_name": own[0].class_name,
        "rows": [row.model_dump(mode="json", exclude={"class_id", "class_name"}) for row in own],
    }


def _parts(summary: dict[str, Any], *, narrow: bool) -> Iterable[RenderableType]:
    from rich.text import Text

    yield Text(summary["file"], style="bold")
    models = ", ".join(dict.fromkeys(short(model) for model in summary["models"])) or "none recorded"
    spread = summary["kept_per_class"]
    yield Text(plain(f"run {summary['run_id']}, schema {summary['schema_version']}, models: {models}"))
    yield (
        f"{summary['classes']:,} classes, {summary['rows']:,} rows, {summary['kept']:,} kept "
        f"({_share(summary['kept'], summary['rows'])}); per class {spread['min']} to {spread['max']}, "
        f"median {spread['median']:g}"
    )
    facets = ", ".join(f"{facet} {count}" for facet, count in summary["kept_by_facet"].items())
    yield Text(f"kept by facet: {facets or 'none'}")
    yield f"{summary['images_seen']:,} pictures were seen"
    for why in dict.fromkeys(summary["skipped"].values()):
        stages = [stage for stage in summary["skipped"] if summary["skipped"][stage] == why]
        yield Text(plain(f"skipped: {', '.join(stages)} ({why})"))
    yield from _heading("where rows ended", _reasons_table(summary))
    yield from _heading("who said it", _authors_table(summary))
    yield from _class_tables(summary["class"], narrow=narrow)


def _heading(title: str, table: Table) -> Iterable[RenderableType]:
    from rich.text import Text

    yield Text(f"\n{title}", style="bold")
    yield table


def _table(*columns: str) -> Table:
    """A table with one line, under its head; a column that begins with '>' is for numbers."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in columns:
        # What people wrote may be wrapped; numbers and the contract's words are read as a whole.
        whole = column.startswith(">") or column in {"stage", "reason"}
        table.add_column(column.lstrip(">"), justify="right" if column.startswith(">") else "left", no_wrap=whole)
    return table


def _reasons_table(summary: dict[str, Any]) -> Table:
    table = _table("stage", "reason", ">rows", ">share")
    for line in summary["dropped"]:
        share = _share(line["rows"], summary["rows"])
        table.add_row(line["stage"], line["reason"], f"{line['rows']:,}", share)
    kept = _share(summary["kept"], summary["rows"])
    table.add_row("kept", "", f"{summary['kept']:,}", kept, style="green")
    return table


def _authors_table(summary: dict[str, Any]) -> Table:
    from rich.text import Text

    table = _table("author", ">rows", ">kept", ">share kept")
    for line in summary["kept_by_author"]:
        share = _share(line["kept"], line["rows"])
        table.add_row(Text(short(line["model"])), f"{line['rows']:,}", f"{line['kept']:,}", share)
    return table


def _class_tables(one: dict[str, Any], *, narrow: bool) -> Iterable[RenderableType]:
    title = f"{plain(one['class_name'])} ({plain(one['class_id'])})"
    kept = [row for row in one["rows"] if row["kept"]]
    dropped = [row for row in one["rows"] if not row["kept"]]
    evidence = [_evidence(row) for row in one["rows"]]
    # A column that nobody filled in (no votes, no pictures) is left out.
    shown = [name for name in evidence[0] if any(row[name] != "-" for row in evidence)]
    if all(row["contrast"] in {"-", row["nearest"]} for row in evidence):
        shown = [name for name in shown if name != "contrast"]
    if narrow:
        shown = [name for name in shown if name not in DETAILS]
    if kept:
        yield from _heading(f"{title}: {len(kept)} kept", _class_table(kept, ("rank", "weight"), shown))
    if dropped:
        yield from _heading(f"{title}: {len(dropped)} dropped", _class_table(dropped, ("stage", "reason"), shown))


def _class_table(rows: Sequence[dict[str, Any]], first: tuple[str, str], shown: Sequence[str]) -> Table:
    from rich.text import Text

    mark = ">" if first[0] == "rank" else ""
    words = {"said by", "votes", "contrast", "nearest"}
    heads = [name if name in words else f">{name}" for name in shown]
    table = _table(f"{mark}{first[0]}", f"{mark}{first[1]}", "text", *heads)
    for row in rows:
        evidence = _evidence(row)
        cells = (_cell(row[first[0]]), _cell(row[first[1]]), plain(row["text"]), *(evidence[name] for name in shown))
        table.add_row(*map(Text, cells), style="" if row["kept"] else "dim")
    return table


def _evidence(row: dict[str, Any]) -> dict[str, str]:
    said = ", ".join(f"{name} x{n}" if n > 1 else name for name, n in _said_by(row).items())
    seen, clip = row["grounding"] or {}, row["clip"] or {}
    return {
        "said by": said,
        "votes": ", ".join(f"{short(vote['model'])} {_cell(vote['p_yes'])}" for vote in row["votes"]) or "-",
        "agree": _cell(row["agreement"]),
        "seen": _cell(seen.get("p_yes")),
        "elsewhere": _cell(seen.get("p_yes_contrast")),
        "contrast": plain(seen.get("contrast_class") or "-"),
        "CLIP": _cell(clip.get("similarity"), digits=3),
        "margin": _cell(clip.get("margin"), digits=3, sign="+"),
        "nearest": plain(clip.get("neighbour") or "-"),
    }


def _said_by(row: dict[str, Any]) -> Counter[str]:
    return Counter(short(author["model"]) for author in row["authors"])


def _cell(value: float | str | None, *, digits: int = 2, sign: str = "") -> str:
    if value is None:
        return "-"
    return f"{value:{sign}.{digits}f}" if isinstance(value, float) else str(value)


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"
