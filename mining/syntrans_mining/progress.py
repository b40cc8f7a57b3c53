"""Progress on stderr: a bar on a terminal, a plain line every 30 seconds elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, Protocol, Self

from syntrans.plain import plain_text

if TYPE_CHECKING:
    from types import TracebackType

PLAIN_SECONDS = 30.0


class Progress(Protocol):
    """What the pipeline tells while it works."""

    def stage(self, name: str) -> None:
        """A stage begins."""
        ...

    def expect(self, n: int) -> None:
        """The stage has so many requests more."""
        ...

    def advance(self, n: int) -> None:
        """So many more requests of the stage are answered."""
        ...

    def say(self, message: str) -> None:
        """A line for the user."""
        ...


class Silent:
    """No progress at all."""

    def stage(self, name: str) -> None:
        """Nothing."""

    def expect(self, n: int) -> None:
        """Nothing."""

    def advance(self, n: int) -> None:
        """Nothing."""

    def say(self, message: str) -> None:
        """Nothing."""


class Plain:
    """Lines on stderr: each stage's beginning, and how far it is every 30 seconds."""

    def __init__(self) -> None:
        self._name, self._done, self._total = "", 0, 0
        self._start = self._last = time.monotonic()

    def stage(self, name: str) -> None:
        """Note the stage; a stage that is over within 30 seconds says nothing more."""
        self._name, self._done, self._total = name, 0, 0
        self._last = time.monotonic()

    def expect(self, n: int) -> None:
        """Count them."""
        self._total += n

    def advance(self, n: int) -> None:
        """Say how far it is, if the last line is 30 seconds old."""
        self._done += n
        now = time.monotonic()
        if now - self._last >= PLAIN_SECONDS:
            self._last = now
            self.say(f"{self._name}: {self._done}/{self._total} answers, {now - self._start:.0f} s since the start")

    def say(self, message: str) -> None:
        """One line on stderr."""
        sys.stderr.write(f"{plain_text(message)}\n")
        sys.stderr.flush()


class Bars:
    """A rich bar for each stage that asks something, on stderr. A context manager: it gives the terminal back."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as RichProgress

        self._rich = RichProgress(
            TextColumn("{task.description:<12}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
        )
        self._task: Any = None
        self._name, self._total = "", 0

    def __enter__(self) -> Self:
        self._rich.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._rich.stop()

    def stage(self, name: str) -> None:
        """The bar before it stops; a new one begins with the first requests."""
        if self._task is not None:
            self._rich.stop_task(self._task)
        self._name, self._task, self._total = name, None, 0

    def expect(self, n: int) -> None:
        """Make the bar longer."""
        self._total += n
        if self._task is None:
            self._task = self._rich.add_task(self._name)
        self._rich.update(self._task, total=self._total)

    def advance(self, n: int) -> None:
        """Move the bar."""
        if self._task is not None:
            self._rich.advance(self._task, n)

    def say(self, message: str) -> None:
        """A line above the bars."""
        self._rich.console.print(plain_text(message), markup=False, highlight=False)
