"""Tables for people: aligned, one line under the head, no vertical lines; a pipe gets no blanks at line ends.

On a terminal a table is as wide as the terminal: columns that a caller can spare are left out, and the line below says
which. A pipe or a file gets every column and every row on one line.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from syntrans.text_safety import plain_text

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Column, Table

PIPED = 10_000
"""Columns of what is no terminal: nothing is wrapped there and nothing left out."""
_TEXT, _GAP = 24, 3  # columns that a text needs to be read; between two columns


def width_of(stream: Any = None) -> int:
    """The columns of the terminal that a stream is (stdout by default); PIPED where it is none."""
    stream = sys.stdout if stream is None else stream
    return shutil.get_terminal_size((80, 24)).columns if stream.isatty() else PIPED


def console() -> Console:
    """stdout; piped output has no width of its own, so a table is given the room it needs."""
    from rich.console import Console

    return Console(width=width_of())


def print_parts(parts: Iterable[RenderableType], console: Console) -> None:
    """Print texts and tables one below the other."""
    if console.is_terminal:
        console.print(*parts, sep="\n", highlight=False)
        return
    with console.capture() as captured:
        console.print(*parts, sep="\n", highlight=False)
    lines = (line.rstrip() for line in captured.get().splitlines())
    console.file.write("\n".join(lines) + "\n")


def as_text(parts: Iterable[RenderableType], width: int | None = None) -> str:
    """The same as plain text; without a ``width`` as stdout has room for."""
    import io

    from rich.console import Console

    sink = io.StringIO()
    print_parts(parts, Console(file=sink, width=width or width_of()))
    return sink.getvalue().rstrip("\n")


def line(text: object, style: str = "") -> RenderableType:
    """One line of text; markup in it stays text."""
    from rich.text import Text

    return Text(plain_text(text), style=style)


def heading(title: str, table: Table, width: int = PIPED, spare: Sequence[str] = ()) -> Iterable[RenderableType]:
    """A blank line, the title and the table, `fitted`."""
    from rich.text import Text

    yield Text(f"\n{plain_text(title)}", style="bold")
    yield from fitted(table, width, spare)


def table(*columns: str, whole: Iterable[str] = ()) -> Table:
    """An empty table; a column that begins with '>' is for numbers, those named in ``whole`` are never wrapped."""
    from rich import box
    from rich.table import Table

    empty = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in columns:
        right = column.startswith(">")
        name = column.lstrip(">")
        fixed = right or name in set(whole)
        empty.add_column(name, justify="right" if right else "left", no_wrap=fixed, overflow="fold")
    return empty


def add_row(table: Table, *cells: object, style: str = "") -> None:
    """A row of plain texts, whatever markup or control characters they hold."""
    table.add_row(*(line(cell) for cell in cells), style=style)


def fitted(full: Table, width: int, spare: Sequence[str] = ()) -> Iterator[RenderableType]:
    """The table as it fits into ``width`` columns, and a line that names the columns that had to go.

    Those of ``spare`` go first, in that order; what is still too wide is wrapped, also within words.
    """
    left = []
    for name in spare:
        if sum(map(_least, full.columns)) + _GAP * (len(full.columns) - 1) <= width:
            break
        if any(column.header == name for column in full.columns):
            full = _without(full, name)
            left.append(name)
    too_wide = sum(map(_least, full.columns)) + _GAP * (len(full.columns) - 1) > width
    for column in full.columns:
        column.no_wrap = column.no_wrap and not (too_wide and column.justify == "left")
        column.min_width = None if too_wide else _least(column)
    yield full
    if left:
        yield line(f"not shown in {width} columns: {', '.join(left)} (a wider terminal or a pipe shows them)", "dim")


def side_by_side(make: Callable[[Sequence[str]], Table], parts: Sequence[str], width: int) -> list[Table]:
    """One table of all ``parts``, which are columns, where it fits into ``width`` columns whole; else one a part."""
    from rich.console import Console
    from rich.measure import Measurement

    together, endless = make(parts), Console(width=PIPED)
    fits = Measurement.get(endless, endless.options, together).maximum <= width
    return [together] if fits else [make([part]) for part in parts]


def _least(column: Column) -> int:
    """The columns that a column needs: all of its longest cell, or of a text its longest word and some more."""
    from rich.cells import cell_len

    texts = [str(column.header), *(str(cell) for cell in column.cells)]
    longest = max(map(cell_len, texts))
    if column.no_wrap:
        return longest
    word = max((cell_len(word) for text in texts for word in text.split()), default=0)
    return min(longest, max(word, _TEXT), 2 * _TEXT)


def _without(full: Table, name: str) -> Table:
    kept = [column for column in full.columns if column.header != name]
    narrower = table()
    for column in kept:
        narrower.add_column(column.header, justify=column.justify, no_wrap=column.no_wrap, overflow="fold")
    for row, cells in zip(full.rows, zip(*(column.cells for column in kept), strict=True), strict=True):
        narrower.add_row(*cells, style=row.style)
    return narrower


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
