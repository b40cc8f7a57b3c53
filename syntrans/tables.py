"""Tables for people: aligned, one line under the head, no vertical lines; a pipe gets no blanks at line ends."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from syntrans.plain import plain_text

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

WIDE = 130
"""From this width on a console shows every column."""


def console() -> Console:
    """stdout; piped output has no width of its own, so the widest table is given the room it needs."""
    from rich.console import Console

    found = Console()
    return found if found.is_terminal else Console(width=150)


def print_parts(parts: Iterable[RenderableType], console: Console) -> None:
    """Print texts and tables one below the other."""
    if console.is_terminal:
        console.print(*parts, sep="\n", highlight=False)
        return
    with console.capture() as captured:
        console.print(*parts, sep="\n", highlight=False)
    lines = (line.rstrip() for line in captured.get().splitlines())
    console.file.write("\n".join(lines) + "\n")


def as_text(parts: Iterable[RenderableType], width: int = 150) -> str:
    """The same as plain text, at most ``width`` wide."""
    import io

    from rich.console import Console

    sink = io.StringIO()
    print_parts(parts, Console(file=sink, width=width))
    return sink.getvalue().rstrip("\n")


def line(text: object, style: str = "") -> RenderableType:
    """One line of text; markup in it stays text."""
    from rich.text import Text

    return Text(plain_text(text), style=style)


def heading(title: str, table: Table) -> Iterable[RenderableType]:
    """A blank line, the title and the table."""
    from rich.text import Text

    yield Text(f"\n{plain_text(title)}", style="bold")
    yield table


def table(*columns: str, whole: Iterable[str] = ()) -> Table:
    """An empty table; a column that begins with '>' is for numbers, those named in ``whole`` are never wrapped."""
    from rich import box
    from rich.table import Table

    made = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in columns:
        number = column.startswith(">")
        name = column.lstrip(">")
        made.add_column(name, justify="right" if number else "left", no_wrap=number or name in set(whole))
    return made


def add_row(table: Table, *cells: object, style: str = "") -> None:
    """A row of plain texts, whatever markup or control characters they hold."""
    table.add_row(*(line(cell) for cell in cells), style=style)


def number(value: float | None, *, digits: int = 2, sign: str = "") -> str:
    """A number of so many decimals; a dash for None."""
    return "-" if value is None else f"{value:{sign}.{digits}f}"


def share(part: int, whole: int) -> str:
    """Percent with one decimal; a dash of nothing."""
    return f"{100 * part / whole:.1f} %" if whole else "-"


def size_of(n_bytes: float) -> str:
    """Bytes in words, decimal units."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if n_bytes >= size:
            return f"{n_bytes / size:.1f} {unit}"
    return f"{n_bytes / 1e3:.0f} kB"


def duration(seconds: float) -> str:
    """Seconds in words, as exact as a prediction deserves."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 2 * 86_400 else f"{seconds / 86_400:.1f} days"
