"""Accuracy with its 95 % interval, and paired differences between methods on the same episodes.

`kind="normal"` is METHOD.md section 8: 1.96 * std(ddof=1) / sqrt(n). `kind="t"` replaces 1.96 by Student's t quantile,
as SKD, RFS and Meta-Baseline do. Both treat episodes as independent; images recur between episodes, so the interval
speaks about this set of images.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Z95 = 1.96


@dataclass(frozen=True)
class Interval:
    """A mean and the half width of its 95 % interval over `n` episodes, in the unit of the input."""

    mean: float
    half_width: float
    n: int

    @property
    def verdict(self) -> str:
        """In words, for a difference: "better", "worse" or "not distinguishable at 95 %"."""
        if abs(self.mean) <= self.half_width:
            return "not distinguishable at 95 %"
        return "better" if self.mean > 0 else "worse"

    def percent(self) -> dict[str, float | int]:
        """The same in percent, rounded to 0.001, for summaries."""
        return {"mean": round(100 * self.mean, 3), "half_width": round(100 * self.half_width, 3), "n": self.n}


def interval(values: NDArray[np.floating], *, kind: Literal["normal", "t"] = "normal") -> Interval:
    """Mean and half width of `values` [n]; raises `ValueError` below two values, where no interval exists."""
    values = np.asarray(values, dtype=np.float64)
    n = values.size
    if n < 2:
        raise ValueError(f"an interval needs at least 2 episodes, got {n}")
    quantile = Z95
    if kind == "t":
        from scipy.stats import t

        quantile = float(t.ppf(0.975, n - 1))
    return Interval(float(values.mean()), float(quantile * values.std(ddof=1) / np.sqrt(n)), n)


def paired(a: NDArray[np.floating], b: NDArray[np.floating], *, kind: Literal["normal", "t"] = "normal") -> Interval:
    """The interval of a - b, episode by episode; both [n], from the same frozen episodes."""
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if a.shape != b.shape:
        raise ValueError(f"paired values must come from the same episodes, got shapes {a.shape} and {b.shape}")
    return interval(a - b, kind=kind)
