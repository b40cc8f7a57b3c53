"""From cosines to probabilities and prediction sets, both learned from supports left out in turn.

A support is left out of its own class and looked at as if it were to be named; what was learned from other domains
(`SCALE`) counts as so many more supports. With one picture a class nothing can be left out: the probabilities rest on
the other domains alone, and prediction sets carry no guarantee. docs/method.md (57), (58).
"""

import math
from dataclasses import dataclass

import numpy as np

from syntrans_training.prediction.class_means import SCALE, softmax, testable
from syntrans_training.prediction.class_model import ClassModel
from syntrans_training.prediction.shapes import Bool, Float, Int

SCALES = np.geomspace(8, 50, 40)
TEXT_SCALE = 12.0  # where no class has a picture
SCALE_SD = 0.15  # how far log(scale) of a new task is from that of other domains
LEAST_PROMISE = 0.9


@dataclass(frozen=True)
class Calibration:
    """`scale` of cosines; `threshold` of p in prediction sets, with what it promises (None: no guarantee).

    `left_out` supports were looked at.
    """

    scale: float
    threshold: float | None
    promised: float | None
    left_out: int

    def probabilities(self, cosines: Float[np.ndarray, "n c"]) -> Float[np.ndarray, "n c"]:
        """Rows sum to 1."""
        return softmax(self.scale * cosines)

    def sets(self, probabilities: Float[np.ndarray, "n c"], coverage: float) -> Bool[np.ndarray, "n c"]:
        """Members of the prediction sets.

        With a threshold: every class whose probability reaches it (split conformal, leave-one-out; Vovk 2012). None
        may: were the likeliest class always put in, the sets would hold the right one more often than they promise.
        Without: the likeliest classes that together reach `coverage`, as the probabilities have it.
        """
        if self.threshold is not None:
            return np.asarray(probabilities >= self.threshold)
        order = np.argsort(-probabilities, 1)
        ordered = np.take_along_axis(probabilities, order, 1)
        before = np.cumsum(ordered, 1) - ordered
        members = np.zeros(probabilities.shape, bool)
        np.put_along_axis(members, order, before < coverage, 1)
        return members


def calibrate(
    directions: ClassModel, supports: Float[np.ndarray, "n r"], labels: Int[np.ndarray, " n"], coverage: float
) -> Calibration:
    """Learn from supports of which another one of the same class remains."""
    testing = testable(labels, len(directions.text))
    if not testing.any():
        return Calibration(SCALE if len(labels) else TEXT_SCALE, None, None, 0)
    y = labels[testing]
    cosines = directions.left_out_scores(supports, labels)[testing]
    scale = _fit_scale(cosines, y)
    threshold, promised = _conformal(softmax(scale * cosines)[np.arange(len(y)), y], coverage)
    return Calibration(scale, threshold, promised, len(y))


def _fit_scale(cosines: Float[np.ndarray, "n c"], labels: Int[np.ndarray, " n"]) -> float:
    """The most probable scale: likelihood of the left-out supports, prior of other domains."""
    rows = np.arange(len(labels))
    fit = [float(np.log(softmax(s * cosines)[rows, labels] + 1e-12).sum()) for s in SCALES]
    prior = -np.square(np.log(SCALES / SCALE) / SCALE_SD) / 2
    return float(SCALES[int(np.argmax(fit + prior))])


def _conformal(p: Float[np.ndarray, " n"], coverage: float) -> tuple[float | None, float | None]:
    """The p that a share of exchangeable pictures reach, and that share: the first of 1 / (n + 1), 2 / (n + 1) ...

    n / (n + 1) that is `coverage` or more, else the last; less than `LEAST_PROMISE` is none.
    """
    n = len(p)
    rank = min(math.ceil((n + 1) * coverage), n)
    if rank / (n + 1) < min(coverage, LEAST_PROMISE):
        return None, None
    return float(np.sort(p)[n - rank]), rank / (n + 1)
