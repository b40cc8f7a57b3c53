"""The table of a FLIER evaluation, for people. Its first sentence says what latents add over the same pixels."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from syntrans.tables import as_text, side_by_side, width_of
from syntrans.views.labels import FLIER_GROUPS, FLIER_LABELS
from syntrans_training.flier.rows import FLIER, IMAGE_BRANCH, PIXELS

if TYPE_CHECKING:
    from rich.table import Table


def render(summary: Mapping[str, Any], *, width: int | None = None) -> str:
    """Accuracy in percent with 95 % intervals, and FLIER's paired lead over every row.

    Without a `width` as stdout has room for; where the numbers of shots do not fit side by side, they get tables of
    their own.
    """
    room, protocol = width or width_of(), summary["protocol"]
    tables = side_by_side(lambda shots: _table(summary, shots), list(summary["results"]), room)
    tables[0].title = verdict(summary)
    tables[-1].caption = (
        f"{_tested(protocol)}. Settings were chosen on val. "
        f"The novel split has been looked at {summary['data']['looks_at_novel']} times here."
    )
    return "\n\n".join(as_text([table], room) for table in tables)


def _tested(protocol: Mapping[str, Any]) -> str:
    if "episodes" in protocol:
        shape = f"{protocol['ways']}-way episodes with {protocol['queries']} queries a class"
        tested = f"{protocol['episodes']} frozen {shape}, FLIER trained anew for each"
        over, by = "episodes", "episode"
    else:
        tested = f"{protocol['ways']} classes at once, {protocol['test']} test pictures, {protocol['seeds']} seeds"
        over, by = "test pictures", "picture"
    return f"{tested}; percent with 95 % intervals over {over}, differences paired by {by}"


def _table(summary: Mapping[str, Any], shots: Sequence[str]) -> "Table":
    from rich.box import HORIZONTALS
    from rich.table import Table

    table = Table(box=HORIZONTALS, collapse_padding=True, pad_edge=False)
    table.title_justify = table.caption_justify = "left"
    table.add_column("method", no_wrap=True)
    for k in shots:
        table.add_column(f"{k}-shot", justify="right", no_wrap=True)
        table.add_column("FLIER −", justify="right", no_wrap=True)
    for group, heading in FLIER_GROUPS.items():
        table.add_section()
        table.add_row(heading, style="italic")
        for row in (name for name, of_row in summary["groups"].items() if of_row == group):
            cells = [cell for k in shots for cell in _cells(summary, k, row)]
            table.add_row(f"  {FLIER_LABELS[row]}", *cells, style="bold" if row == FLIER else None)
    return table


def verdict(summary: Mapping[str, Any]) -> str:
    """What FLIER's claim, that latents add something, comes to here.

    They do where FLIER is better than the same pictures as pixels, and than its own image branch: else the two may
    differ in nothing but the share of the training that val kept for each.
    """
    leads = {k: of_shots[f"{FLIER} - {PIXELS}"] for k, of_shots in summary["contrasts"].items()}
    by_shots = ", ".join(f"{k}-shot {_signed(lead)}" for k, lead in leads.items())
    alone = {k: of_shots[f"{FLIER} - {IMAGE_BRANCH}"] for k, of_shots in summary["contrasts"].items()}
    better = [k for k, lead in leads.items() if lead["verdict"] == alone[k]["verdict"] == "better"]
    if not better:
        return f"Latents add nothing over the same imagined pictures as pixels (FLIER − pixels only: {by_shots})."
    where = ", ".join(better)
    return f"Latents add something over the same pictures as pixels at {where} shots (FLIER − pixels only: {by_shots})."


def _cells(summary: Mapping[str, Any], shots: str, row: str) -> tuple[str, str]:
    value = summary["results"][shots][row]
    lead = summary["contrasts"][shots].get(f"{FLIER} - {row}")
    return f"{value['mean']:.1f} ±{value['half_width']:.1f}", "" if lead is None else _signed(lead)


def _signed(value: Mapping[str, float]) -> str:
    return f"{value['mean']:+.1f} ±{value['half_width']:.1f}"
