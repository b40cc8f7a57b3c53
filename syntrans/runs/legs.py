"""Seconds of a run that was stopped and went on: by name, summed over its legs in ``legs.json``."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from syntrans.errors import EnvironmentProblem
from syntrans.paths import atomic_write_text

LEGS = "legs.json"


class Legs:
    """The sums of the legs before this one; without a folder there was none.

    A leg saves itself as it goes and when it ends, however it ends. What a killed one had not saved is lost.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._path = None if folder is None else folder / LEGS
        self._before = _read(self._path)

    def total(self, name: str, seconds: float = 0.0) -> float:
        """All legs together, of which this one took ``seconds``."""
        return self._before.get(name, 0.0) + seconds

    def totals(self, leg: Mapping[str, float], digits: int = 2) -> dict[str, float]:
        """The same for all names of any leg."""
        return {name: round(self.total(name, leg.get(name, 0.0)), digits) for name in self._before | dict(leg)}

    def save(self, leg: Mapping[str, float]) -> None:
        """Keep the sums with what this leg took until now; saving twice counts once."""
        if self._path is not None:
            # Not rounded: a sum that is rounded when kept and again when shown may change by a leg that did nothing.
            sums = self._before | {name: self.total(name, seconds) for name, seconds in leg.items()}
            with suppress(EnvironmentProblem):  # a full disk is said where a result is written
                atomic_write_text(self._path, json.dumps(sums, indent=2) + "\n")


class Clock:
    """The seconds of blocks of work, by name."""

    def __init__(self, legs: Legs) -> None:
        self._legs = legs
        self._leg: dict[str, float] = {}

    @contextmanager
    def clock(self, name: str) -> Iterator[None]:
        """Count what the block takes, also where it fails or is stopped."""
        begin = time.monotonic()
        try:
            yield
        finally:
            self._leg[name] = self._leg.get(name, 0.0) + time.monotonic() - begin
            self._legs.save(self._leg)

    def totals(self, digits: int = 2) -> dict[str, float]:
        """Seconds by name, of all legs."""
        return self._legs.totals(self._leg, digits)


def _read(path: Path | None) -> dict[str, float]:
    """Numbers by name; a damaged file counts for nothing, since no result depends on it."""
    try:
        values = json.loads(path.read_text(encoding="utf-8")) if path else {}
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(values, dict):
        return {}
    return {
        name: float(value)
        for name, value in values.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
    }
