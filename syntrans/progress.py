"""Progress on stderr: bars on a terminal, elsewhere a line every 30 seconds, also while nothing moves.

`track` is for a block of work whose size is known, `StepProgress` for steps whose size shows as they go; blocks may lie
within one another. stdout stays for data, and of several processes that train together the first one speaks.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, Self

from syntrans.tables import duration
from syntrans.text_safety import plain_text

if TYPE_CHECKING:
    from types import TracebackType

LINE_SECONDS = 30.0
_FIRST_LINE_SECONDS = 2.0  # what is over within them says nothing, however long the last line is ago


def say(message: str) -> None:
    """One line on stderr."""
    if _speaks():
        sys.stderr.write(f"{plain_text(message)}\n")
        sys.stderr.flush()


class Tracker:
    """Counts ``done`` of ``total``; what an earlier process did, ``done`` at the start, takes no part in the rate."""

    def __init__(self, label: str, total: int, unit: str, done: int = 0) -> None:
        self.label, self.total, self.unit, self.done = label, total, unit, done
        self.status = ""
        self._before, self._start = done, time.monotonic()

    def expect(self, n: int) -> None:
        """Add ``n`` items to those that are to come."""
        self.total += n
        _display.update(self)

    def advance(self, n: int = 1, status: str = "") -> None:
        """Count ``n`` more; ``status`` is shown beside the numbers."""
        self.done += n
        self.status = status
        _display.update(self)

    def rate(self) -> str:
        """Items a second, as text."""
        per_second = (self.done - self._before) / max(time.monotonic() - self._start, 1e-9)
        return f"{per_second:,.0f} {self.unit}/s" if per_second >= 10 else f"{per_second:.2g} {self.unit}/s"

    def line(self) -> str:
        """Where it is, how fast, and how long the rest takes at this speed."""
        text = f"{self.label}: {self.done:,}/{self.total:,} {self.unit}"
        if self.done > self._before:
            left = (self.total - self.done) * (time.monotonic() - self._start) / (self.done - self._before)
            text += f", {self.rate()}, about {duration(left)} left"
        return f"{text} {self.status}".rstrip()


@contextmanager
def track(label: str, total: int, unit: str = "items", done: int = 0) -> Iterator[Tracker]:
    """A `Tracker` for a block of work, of which ``done`` was done before."""
    tracker = Tracker(label, total, unit, done)
    _display.open(tracker)
    try:
        yield tracker
    finally:
        _display.close(tracker)


class Progress(Protocol):
    """What a pipeline of steps tells while it works."""

    def step(self, name: str) -> None:
        """A step begins."""
        ...

    def expect(self, n: int) -> None:
        """The step has so many answers more to wait for."""
        ...

    def advance(self, n: int) -> None:
        """So many more of them are there."""
        ...

    def say(self, message: str) -> None:
        """A line for the user."""
        ...


class Silent:
    """A `Progress` that shows nothing."""

    def step(self, name: str) -> None:
        """Nothing."""

    def expect(self, n: int) -> None:
        """Nothing."""

    def advance(self, n: int) -> None:
        """Nothing."""

    def say(self, message: str) -> None:
        """Nothing."""


class StepProgress:
    """A tracker for each step that waits for answers. A context manager: it gives the terminal back."""

    def __init__(self) -> None:
        self._name = ""
        self._tracker: Tracker | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.step("")

    def step(self, name: str) -> None:
        """The tracker before it ends; a new one begins with the first question."""
        if self._tracker is not None:
            _display.close(self._tracker)
        self._name, self._tracker = name, None

    def expect(self, n: int) -> None:
        """There is more to wait for."""
        if self._tracker is None and n:
            self._tracker = Tracker(self._name, 0, "answers")
            _display.open(self._tracker)
        if self._tracker is not None:
            self._tracker.expect(n)

    def advance(self, n: int) -> None:
        """Some of it is there."""
        if self._tracker is not None:
            self._tracker.advance(n)

    def say(self, message: str) -> None:
        """A line on stderr, above the bars."""
        say(message)


class _Display:
    """All that is under way, the outermost first: bars, or a thread that writes the lines."""

    def __init__(self) -> None:
        self._open: list[Tracker] = []
        self._bars: Any = None
        self._tasks: dict[int, Any] = {}
        self._over = threading.Event()
        self._writer: threading.Thread | None = None
        self._last_line = time.monotonic()

    def open(self, tracker: Tracker) -> None:
        self._open.append(tracker)
        if not _speaks():
            return
        if len(self._open) == 1:
            self._start()
        if self._bars is not None:
            self._tasks[id(tracker)] = self._bars.add_task(tracker.label, total=tracker.total, status="")
            self.update(tracker)

    def update(self, tracker: Tracker) -> None:
        if self._bars is not None and id(tracker) in self._tasks:
            status = f"{tracker.rate()} {tracker.status}".rstrip()
            task = self._tasks[id(tracker)]
            self._bars.update(task, total=tracker.total, completed=tracker.done, status=status)

    def close(self, tracker: Tracker) -> None:
        self._open = [other for other in self._open if other is not tracker]
        task = self._tasks.pop(id(tracker), None)
        if self._bars is not None and self._open and task is not None:
            self._bars.remove_task(task)
        if not self._open:
            self._stop()

    def _start(self) -> None:
        if sys.stderr.isatty():
            self._bars = _make_bars()
            self._bars.start()
            return
        self._over = threading.Event()
        self._writer = threading.Thread(target=self._write, args=(self._over,), name="progress", daemon=True)
        self._writer.start()

    def _stop(self) -> None:
        if self._bars is not None:
            self._bars.stop()
            self._bars = None
        self._over.set()
        if self._writer is not None:
            self._writer.join()
            self._writer = None

    def _write(self, over: threading.Event) -> None:
        """A line whenever the last one is old enough."""
        while True:
            wait = self._last_line + LINE_SECONDS - time.monotonic()
            if over.wait(max(wait, min(_FIRST_LINE_SECONDS, LINE_SECONDS))):
                return
            shown = self._open[:1] + self._open[1:][-1:]
            if shown:
                say("; ".join(tracker.line() for tracker in shown))
            self._last_line = time.monotonic()


def _make_bars() -> Any:
    from rich import progress
    from rich.console import Console

    return progress.Progress(
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(bar_width=20),
        progress.MofNCompleteColumn(),
        progress.TimeRemainingColumn(),
        progress.TextColumn("{task.fields[status]}", markup=False),
        console=Console(stderr=True),
    )


def _speaks() -> bool:
    return os.environ.get("RANK", "0") == "0"


_display = _Display()
