"""Progress on stderr: a rich bar on a terminal, a plain line every 30 seconds elsewhere. stdout stays for data."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

PLAIN_INTERVAL_S = 30.0


class Progress:
    """Counts `done` of `total`; `advance` prints rate, ETA and a short status when it is time to."""

    def __init__(self, label: str, total: int, unit: str, done: int = 0, bar: "object | None" = None) -> None:
        self.label, self.total, self.unit = label, total, unit
        self.done = self._before = done
        self._start = self._last = time.monotonic()
        self._bar = bar
        if bar is not None:
            self._task = bar.add_task(label, total=total, completed=done, status="")  # type: ignore[attr-defined]

    def advance(self, n: int, status: str = "") -> None:
        """Count `n` more; `status` is shown beside the numbers."""
        self.done += n
        now = time.monotonic()
        if self._bar is not None:
            shown = f"{self._rate(now):.0f} {self.unit}/s {status}"
            self._bar.update(self._task, completed=self.done, status=shown)  # type: ignore[attr-defined]
            return
        if now - self._last >= PLAIN_INTERVAL_S:
            self._last = now
            say(f"{self.label}: {self.done}/{self.total} {self.unit}, {self._eta(now)} {status}".rstrip())

    def _rate(self, now: float) -> float:
        # What an earlier process did took none of this one's time.
        return (self.done - self._before) / max(now - self._start, 1e-9)

    def _eta(self, now: float) -> str:
        rate = self._rate(now)
        left = (self.total - self.done) / max(rate, 1e-9)
        return f"{rate:.0f} {self.unit}/s, {left:.0f} s left"


def say(message: str) -> None:
    """One line on stderr; of several processes that train together the first one speaks."""
    if os.environ.get("RANK", "0") != "0":
        return
    sys.stderr.write(f"{message}\n")
    sys.stderr.flush()


@contextmanager
def track(label: str, total: int, unit: str = "items", done: int = 0) -> Iterator[Progress]:
    """A `Progress` for a block of work, of which `done` was done before."""
    if not sys.stderr.isatty() or os.environ.get("RANK", "0") != "0":
        yield Progress(label, total, unit, done)
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
        yield Progress(label, total, unit, done, bar)
