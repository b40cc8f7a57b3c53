"""Columns of plain values as a page takes them: repeated values by number, probabilities in thousandths.

A page of 60,000 rows stays below 15 MB so, and a browser filters it by comparing numbers.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)
NONE = -1
"""The number of what is not there."""


class Numbered(Generic[T]):
    """Distinct values in the order of their first use, each with its number."""

    def __init__(self) -> None:
        self._numbers: dict[T, int] = {}

    def number(self, value: T | None) -> int:
        """The number of ``value``, a new one at its first use; NONE for None."""
        return NONE if value is None else self._numbers.setdefault(value, len(self._numbers))

    @property
    def values(self) -> list[T]:
        """All values; a value's number is its place."""
        return list(self._numbers)


def thousandths(value: float | None) -> int | None:
    """``value`` times 1,000, rounded; None for what is no number."""
    return None if value is None or not math.isfinite(value) else round(1000 * value)
