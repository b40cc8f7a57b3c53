"""The report of `syntrans data check` as text: a table of the parts, then what was found, then where to get it."""

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Any

from syntrans.tables import width_of

_HEAD = ("part", "classes", "images", "broken", "per class")


def render(report: Mapping[str, Any]) -> str:
    """The table as text, its columns aligned."""
    lines = [f"{report['path']}: {report['dataset']}", *_table(report["parts"])] if report["parts"] else []
    lines += [f"{f['level']:<8} {f['rule']:<11} {f['message']}" for f in report["findings"]]
    lines.append(f"{report['errors']} errors, {report['warnings']} warnings")
    return "\n".join([*lines, *(["", where_text(report["where"])] if report["where"] else [])])


def where_text(places: Sequence[Mapping[str, str]]) -> str:
    """What to place and where to get it, a paragraph for each data set."""
    paragraphs, room = [], min(100, width_of())
    for place in places:
        body = f"Place: {place['layout']}.\n", f"Get it: {place['where']}.\n"
        wrapped = "\n".join(fill(text, room, initial_indent="  ", subsequent_indent="    ") for text in body)
        paragraphs.append(
            f"{place['name']}: {place['title']}\n{wrapped}\n  syntrans data check PATH --dataset {place['name']}"
        )
    return "\n\n".join(paragraphs)


def _table(parts: Mapping[str, Mapping[str, Any]]) -> list[str]:
    rows = [_HEAD]
    for name, part in parts.items():
        spread = part["per_class"]
        each = f"{spread['min']}" if spread["min"] == spread["max"] else f"{spread['min']} to {spread['max']}"
        rows.append((name, f"{part['classes']:,}", f"{part['images']:,}", f"{part['broken']:,}", each))
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEAD))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))]
        lines.append("  ".join(cells))
    return [lines[0], "-" * len(lines[0]), *lines[1:], ""]
