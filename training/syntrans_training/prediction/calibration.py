"""From cosines to probabilities, prediction sets and "none of these", each learned from supports left out in turn.

A support is left out of its own class and looked at as if it were to be named; what was learned from other domains
(`SCALE`, `NOVELTY`) counts as so many more supports. With one picture a class nothing can be left out: the
probabilities rest on the other domains alone, and prediction sets carry no guarantee.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from syntrans_training.prediction.class_means import SCALE, ClassModel, softmax
from syntrans_training.prediction.space import Array, Labels

SCALES = np.geomspace(8, 50, 40)
TEXT_SCALE = 12.0  # where no class has a picture
SCALE_SD = 0.15  # how far log(scale) of a new task is from that of other domains
LEAST_PROMISE = 0.9
NOVELTY_SHARPNESS = 10.0
NOVELTY_PRIOR_N = 20
NOVELTY_SHARE = 0.05  # of pictures of the known classes that may be called none of these
NOVELTY_SLOPE = 2.0  # how fast a picture stops counting for the classes below the threshold
NOVELTY_WAYS, NOVELTY_SHOTS = (3, 5, 10), (1, 3, 5)
NOVELTY = ((-5.6, -4.3, -4.0), (-4.7, -3.9, -3.5), (-4.2, -3.6, -3.2))  # that quantile elsewhere, by ways and shots


@dataclass(frozen=True)
class Calibration:
    """`scale` of cosines; `threshold` of p in prediction sets, with what it promises (None: no guarantee).

    `left_out` supports were looked at.
    """

    scale: float
    threshold: float | None
    promised: float | None
    left_out: int

    def probabilities(self, cosines: Array) -> Array:
        """[n, C], rows sum to 1."""
        return softmax(self.scale * cosines)

    def sets(self, probabilities: Array, coverage: float) -> NDArray[np.bool_]:
        """[n, C] members of the prediction sets; the likeliest class is always one.

        With a threshold: every class whose probability reaches it (split conformal, leave-one-out; Vovk 2012). Without:
        the likeliest classes that together reach `coverage`, as the probabilities have it.
        """
        best = probabilities == probabilities.max(1, keepdims=True)
        if self.threshold is not None:
            return np.asarray(best | (probabilities >= self.threshold))
        order = np.argsort(-probabilities, 1)
        ordered = np.take_along_axis(probabilities, order, 1)
        before = np.cumsum(ordered, 1) - ordered
        members = np.zeros(probabilities.shape, bool)
        np.put_along_axis(members, order, before < coverage, 1)
        return members


def calibrate(directions: ClassModel, supports: Array, labels: Labels, coverage: float) -> Calibration:
    """Learn from supports [n, r] of which another one of the same class remains."""
    testable = _testable(labels, len(directions.text))
    if not testable.any():
        return Calibration(SCALE if len(labels) else TEXT_SCALE, None, None, 0)
    y = labels[testable]
    cosines = directions.left_out_scores(supports, labels)[testable]
    scale = _fit_scale(cosines, y)
    threshold, promised = _conformal(softmax(scale * cosines)[np.arange(len(y)), y], coverage)
    return Calibration(scale, threshold, promised, len(y))


def novelty_threshold(
    directions: ClassModel, supports: Array, labels: Labels, background: Array | None
) -> float | None:
    """The novelty score below which a picture shows none of the classes; None where nothing says what is usual.

    Of the left-out supports `NOVELTY_SHARE` lie below it; other domains count as `NOVELTY_PRIOR_N` more of them.
    """
    ways, testable = len(directions.text), _testable(labels, len(directions.text))
    if (background is None and testable.sum() < NOVELTY_PRIOR_N) or not len(labels):
        return None
    counts = np.bincount(labels, minlength=ways)
    prior, n = prior_novelty(ways, float(np.median(counts[counts > 0]))), int(testable.sum())
    if n == 0:
        return prior
    best = directions.left_out_scores(supports, labels)[testable].max(1)
    scores = novelty_scores(best, directions.place(supports)[testable], directions, background)
    measured = float(np.quantile(scores, NOVELTY_SHARE))
    return measured if background is None else (n * measured + NOVELTY_PRIOR_N * prior) / (n + NOVELTY_PRIOR_N)


def novelty_scores(best: Array, placed: Array, directions: ClassModel, background: Array | None) -> Array:
    """How near the nearest class is [n], against how near the background's classes are; high is familiar."""
    near = NOVELTY_SHARPNESS * best
    if background is None:
        return near
    far = NOVELTY_SHARPNESS * placed @ directions.place(background).T
    top = far.max(1)
    found: Array = near - top - np.log(np.exp(far - top[:, None]).sum(1))
    return found


def prior_novelty(ways: int, shots: float) -> float:
    """The threshold of other domains for so many classes and supports a class."""
    by_ways = [float(np.interp(shots, NOVELTY_SHOTS, row)) for row in NOVELTY]
    return float(np.interp(math.log(ways), np.log(NOVELTY_WAYS), by_ways))


def _testable(labels: Labels, ways: int) -> NDArray[np.bool_]:
    """[n], supports that are not the only one of their class."""
    return np.asarray(np.bincount(labels, minlength=ways)[labels] > 1)


def _fit_scale(cosines: Array, labels: Labels) -> float:
    """The most probable scale: likelihood of the left-out supports, prior of other domains."""
    rows = np.arange(len(labels))
    fit = [float(np.log(softmax(s * cosines)[rows, labels] + 1e-12).sum()) for s in SCALES]
    prior = -np.square(np.log(SCALES / SCALE) / SCALE_SD) / 2
    return float(SCALES[int(np.argmax(fit + prior))])


def _conformal(p: Array, coverage: float) -> tuple[float | None, float | None]:
    """The p that a share of exchangeable pictures reach, and that share: `coverage`, or what n pictures can promise.

    n of them promise n / (n + 1) at most; less than `LEAST_PROMISE` is none.
    """
    n = len(p)
    rank = min(math.ceil((n + 1) * coverage), n)
    if rank / (n + 1) < min(coverage, LEAST_PROMISE):
        return None, None
    return float(np.sort(p)[n - rank]), min(coverage, rank / (n + 1))
