"""Progress on stderr: a rich bar on a terminal, a plain line every 30 seconds elsewhere. stdout stays for data."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

PLAIN_INTERVAL_S = 30.0


class Progress:
    """Counts `done` of `total`; `advance` prints rate, ETA and a short status when it is time to."""

    def __init__(self, label: str, total: int, unit: str, bar: "object | None" = None) -> None:
        self.label, self.total, self.unit = label, total, unit
        self.done = 0
        self._start = self._last = time.monotonic()
        self._bar = bar
        self._task = bar.add_task(label, total=total, status="") if bar is not None else None  # type: ignore[attr-defined]

    def advance(self, n: int, status: str = "") -> None:
        """Count `n` more; `status` is shown beside the numbers."""
        self.done += n
        if self._bar is not None:
            self._bar.update(self._task, completed=self.done, status=status)  # type: ignore[attr-defined]
            return
        now = time.monotonic()
        if now - self._last >= PLAIN_INTERVAL_S:
            self._last = now
            say(f"{self.label}: {self.done}/{self.total} {self.unit}, {self._eta(now)} {status}".rstrip())

    def _eta(self, now: float) -> str:
        rate = self.done / max(now - self._start, 1e-9)
        left = (self.total - self.done) / max(rate, 1e-9)
        return f"{rate:.0f} {self.unit}/s, {left:.0f} s left"


def say(message: str) -> None:
    """One line on stderr."""
    sys.stderr.write(f"{message}\n")
    sys.stderr.flush()


@contextmanager
def track(label: str, total: int, unit: str = "items") -> Iterator[Progress]:
    """A `Progress` for a block of work."""
    if not sys.stderr.isatty():
        yield Progress(label, total, unit)
        return
    from rich import progress
    from rich.console import Console

    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeRemainingColumn(),
        progress.TextColumn("{task.fields[status]}"),
    )
    with progress.Progress(*columns, console=Console(stderr=True)) as bar:
        yield Progress(label, total, unit, bar)
