"""The few-shot table of a summary, for people."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from syntrans.tables import as_text, side_by_side, width_of
from syntrans.views.labels import GROUPS, LABELS

if TYPE_CHECKING:
    from rich.table import Table


def render(summary: Mapping[str, Any], *, width: int | None = None) -> str:
    """Accuracy in percent with 95 % intervals, and the paired differences against visual only and of SynTrans.

    Without a `width` as stdout has room for; where the numbers of shots do not fit side by side, they get tables of
    their own.
    """
    room = width or width_of()
    tables = side_by_side(lambda shots: _table(summary, shots), list(summary["results"]), room)
    tables[-1].caption = _caption(summary)
    return "\n\n".join(as_text([table], room) for table in tables)


def _table(summary: Mapping[str, Any], shots: Sequence[str]) -> "Table":
    from rich.box import HORIZONTALS
    from rich.table import Table

    episodes = summary["episodes"]
    title = f"{episodes['ways']}-way, {episodes['queries']} queries, {episodes['episodes']} episodes, novel classes"
    table = Table(title=title, box=HORIZONTALS, collapse_padding=True, pad_edge=False)
    table.title_justify = table.caption_justify = "left"
    table.add_column("method", no_wrap=True)
    for k in shots:
        table.add_column(f"{k}-shot", justify="right", no_wrap=True)
        table.add_column("− visual", justify="right", no_wrap=True)
        table.add_column("SynTrans −", justify="right", no_wrap=True)
    rows = list(summary["results"][shots[0]])
    for group, heading in GROUPS.items():
        members = [row for row in rows if summary["groups"][row] == group]
        if members:
            table.add_section()
            table.add_row(heading, style="italic")
        for row in members:
            cells = [cell for k in shots for cell in _cells(summary, k, row)]
            table.add_row(f"  {LABELS.get(row, row)}", *cells, style="bold" if row == "syntrans" else None)
    return table


def _cells(summary: Mapping[str, Any], shots: str, row: str) -> tuple[str, str, str]:
    contrasts = summary["contrasts"][shots]
    return (
        _number(summary["results"][shots][row]),
        _signed(contrasts.get(f"{row} - visual_only")),
        _signed(contrasts.get(f"syntrans - {row}")),
    )


def _caption(summary: Mapping[str, Any]) -> str:
    ours = {k: rows["syntrans"] for k, rows in summary["results"].items()}
    alphas = ", ".join(f"{k}-shot {row['alpha']:g}" for k, row in ours.items())
    adapted = all("syntrans_val" in rows for rows in summary["results"].values())
    moved = ", which SynTrans moves in every task by its supports" if adapted else ""
    other = ", ".join(f"{k}-shot ±{row['image_half_width']:.2f}" for k, row in ours.items())
    data = summary["data"]
    lines = [
        "Percent with 95 % intervals over episodes; differences (row − visual only, SynTrans − row) paired by episode.",
        f"Of SynTrans with other pictures of these classes: {other}.",
        f"All settings chosen on val; α of SynTrans: {alphas}{moved}.",
    ]
    if recipes := _recipes(summary):
        lines.append(f"Of two training recipes val kept: {recipes}.")
    if dropped := max(summary["episodes"]["dropped"].values()):
        lines.append(f"Up to {dropped} episodes left out: mining had seen a query of theirs.")
    elif data["seen_by_mining"]:
        lines.append(f"{data['seen_by_mining']} images seen by mining are no queries.")
    times = data["looks_at_novel"]
    lines.append(f"The novel split has been looked at {times} time{'s' if times > 1 else ''} here.")
    return " ".join(lines)


def _recipes(summary: Mapping[str, Any]) -> str:
    """Which recipe stands in each trained row, by shots: "attention (Gidaris) 1-shot ours, 5-shot published"."""
    of_row: dict[str, list[str]] = {}
    for k, rows in summary["results"].items():
        for row, result in rows.items():
            if "recipe" in result and f"{row}_other" in rows:
                of_row.setdefault(row, []).append(f"{k}-shot {result['recipe']}")
    return "; ".join(f"{LABELS.get(row, row)} {', '.join(recipes)}" for row, recipes in of_row.items())


def _number(value: Mapping[str, float]) -> str:
    return f"{value['mean']:.2f} ±{value['half_width']:.2f}"


def _signed(value: Mapping[str, float] | None) -> str:
    return "" if value is None else f"{value['mean']:+.2f} ±{value['half_width']:.2f}"
