"""The few-shot table of a summary, for people."""

import io
from collections.abc import Mapping
from typing import Any

LABELS = {
    "plain_prototypes": "plain prototypes",
    "visual_only": "visual only",
    "semantic_only": "semantic only",
    "fused": "fused",
    "name_only": "· class names only",
    "raw": "· unchecked (raw)",
    "shuffled": "· shuffled classes",
}


def render(summary: Mapping[str, Any], *, width: int = 110) -> str:
    """Accuracy in percent with 95 % intervals, and the paired differences against visual only and of fused."""
    from rich.console import Console
    from rich.table import Table

    episodes = summary["episodes"]
    shots = list(summary["results"])
    title = f"{episodes['ways']}-way, {episodes['queries']} queries, {episodes['episodes']} episodes, novel classes"
    table = Table(title=title, title_justify="left", caption_justify="left", caption=_caption(summary))
    table.add_column("method", no_wrap=True)
    for k in shots:
        table.add_column(f"{k}-shot", justify="right", no_wrap=True)
        table.add_column("− visual", justify="right", no_wrap=True)
        table.add_column("fused −", justify="right", no_wrap=True)
    for row in summary["results"][shots[0]]:
        cells = [LABELS.get(row, row)]
        for k in shots:
            cells.append(_number(summary["results"][k][row]))
            cells.append(_signed(summary["contrasts"][k].get(f"{row} - visual_only")))
            cells.append(_signed(summary["contrasts"][k].get(f"fused - {row}")))
        table.add_row(*cells, style="bold" if row == "fused" else None)
    sink = io.StringIO()
    Console(file=sink, width=width, highlight=False).print(table)
    return sink.getvalue().rstrip()


def _caption(summary: Mapping[str, Any]) -> str:
    fused = {k: rows["fused"] for k, rows in summary["results"].items()}
    alphas = ", ".join(f"{k}-shot {row['alpha']:g}" for k, row in fused.items())
    seen = summary["data"]["seen_by_mining"]
    barred = f" {seen} images seen by mining are no queries." if seen else ""
    return (
        "Percent with 95 % intervals. Differences (row − visual only, fused − row) are paired by episode. "
        f"Alpha chosen on val: {alphas}.{barred}"
    )


def _number(value: Mapping[str, float]) -> str:
    return f"{value['mean']:.2f} ±{value['half_width']:.2f}"


def _signed(value: Mapping[str, float] | None) -> str:
    return "" if value is None else f"{value['mean']:+.2f} ±{value['half_width']:.2f}"
