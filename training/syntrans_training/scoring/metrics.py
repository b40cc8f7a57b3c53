"""Accuracy with its 95 % interval, paired differences between methods on the same episodes, and calibration.

Three intervals:
    normal   docs/method.md (27): 1.96 * std(ddof=1) / sqrt(n)
    t        Student's t quantile in place of 1.96, as SKD, RFS and Meta-Baseline do
    image    `image_interval`, docs/method.md (28): wider by what the choice of pictures adds
The first two treat episodes as independent. Images recur between episodes, so they speak about other episodes of these
very images: with ever more episodes they shrink to nothing (Lafargue et al., "Oops, I Sampled it Again", arXiv
2409.02850). The third speaks about other images of the same classes.
"""

from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from syntrans_training.episodes.sampler import Episodes

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


def image_interval(correct: NDArray[np.floating], tasks: Episodes) -> Interval:
    """The 95 % interval that respects the reuse of images: what other pictures of the same classes would give.

    `correct` [E, m] is 1 where a query was answered rightly (`EpisodeScores.correct`); for a difference of two rows
    hand in the difference of theirs.

    Derived: a bootstrap over images, stratified by class, in its limit of infinitely many replicates (the infinitesimal
    jackknife). With r_ei the share of image i in the deviation of episode e from the mean of its classes,
        variance = var(accuracy) / E + sum_i [(sum_e r_ei)^2 - sum_e r_ei^2] / E^2,
    where as a query i answers for its own hit alone, r_ei = (hit - mean of its class) / m, and as a support for all of
    the episode, r_ei = accuracy_e - mean accuracy of the episodes with its class. The subtracted squares are the
    episodes' own noise, which the first term counts already. Never narrower than the normal interval; costs one pass.
    """
    n_episodes, n_way, n_query = tasks.query.shape
    hits = np.asarray(correct, np.float64).reshape(tasks.query.shape)
    means = hits.mean(2)  # [E, N]
    accuracy = means.mean(1)
    drawn = interval(accuracy)
    by_class = partial(_class_means, tasks.classes)
    as_query = (hits - by_class(means)[:, :, None]) / (n_way * n_query)
    lifted = np.broadcast_to(accuracy[:, None], tasks.classes.shape)
    as_support = np.broadcast_to((lifted - by_class(lifted))[:, :, None], tasks.support.shape)
    images = np.concatenate([tasks.query.ravel(), tasks.support.ravel()])
    share = np.concatenate([as_query.ravel(), as_support.ravel()])
    shared = (np.bincount(images, share) ** 2).sum() - (share**2).sum()
    variance = accuracy.var(ddof=1) / n_episodes + max(0.0, shared) / n_episodes**2
    return Interval(drawn.mean, float(Z95 * np.sqrt(variance)), n_episodes)


def _class_means(classes: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """[E, N]: for every place the mean of `values` [E, N] over all places that hold the same class."""
    sums = np.bincount(classes.ravel(), values.ravel())
    means: NDArray[np.float64] = (sums / np.maximum(np.bincount(classes.ravel()), 1))[classes]
    return means


def reliability(confidence: NDArray[np.floating], correct: NDArray[np.bool_], *, bins: int = 15) -> NDArray[np.float64]:
    """[bins, 3] of n answers with `confidence` in [0, 1]: how many, their mean confidence, the share that was right.

    Guo et al., "On Calibration of Modern Neural Networks" (ICML 2017): bins of equal width. An empty bin is all zeros.
    """
    place = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    count = np.bincount(place, minlength=bins)
    sums = [np.bincount(place, values, bins) / np.maximum(count, 1) for values in (confidence, correct)]
    return np.stack([count, *sums], 1)


def ece(bins: NDArray[np.float64]) -> float:
    """Calibration error, docs/method.md (29): mean |confidence - accuracy| over `bins` [b, 3] by counts."""
    count, confidence, right = bins.T
    return float((count * np.abs(confidence - right)).sum() / max(count.sum(), 1))


def per_class(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """Accuracy of every class [C] from a confusion matrix [C, C]; NaN for a class that was never a query's."""
    shown = confusion.sum(1)
    return np.where(shown > 0, confusion.diagonal() / np.maximum(shown, 1), np.nan)
