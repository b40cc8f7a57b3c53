"""Whether a picture shows any of the classes: how familiar it is, and a threshold learned from supports.

Familiarity is the log odds of the nearest class against the background's classes, all at one sharpness. Pictures that
are named together are looked at twice: by what supports and texts alone make of the classes, and by the classes with
those pictures counted in; and a picture takes half of its familiarity from the pictures that look like it, for those of
one unknown class are alike (one step of label propagation; Zhou et al., "Learning with local and global consistency",
NeurIPS 2003). docs/method.md (53) to (56). Constants were chosen on Caltech-101's base and val classes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from syntrans_training.prediction.class_means import testable
from syntrans_training.prediction.class_model import ClassModel
from syntrans_training.prediction.shapes import Bool, Float, Int
from syntrans_training.prediction.space import unit

SHARPNESS = 10.0  # of cosines with classes
PRIOR_N = 20  # supports that the knowledge of other domains is worth
SHARE_BELOW = 0.05  # of pictures of the known classes that may be called none of these
SLOPE = 2.0  # how fast a picture stops counting for the classes below the threshold
WAYS, SHOTS = (3, 5, 10), (1, 3, 5)
ELSEWHERE = ((-5.6, -4.3, -4.0), (-4.7, -3.9, -3.5), (-4.2, -3.6, -3.2))  # that quantile by ways and shots
TOGETHER = (1.3, 0.85, 0.75)  # how much higher it lies for many pictures that are named together, by shots
FROM_OTHERS = 0.5  # share of its familiarity that a picture takes from those that look like it
NEAR = 20.0  # sharpness of their cosines
ALONE = 0.2  # cosine of a picture that looks like another one; what a picture itself weighs like
MOST_OTHERS = 4096  # of more pictures, evenly spread ones are compared with
BLOCK = 512


@dataclass(frozen=True)
class Verdict:
    """`familiarity` is high for a known class; below `threshold` it is none (None: nothing says what is usual).

    `classes` are those that the pictures are named by: with the pictures themselves counted in, where they may.
    """

    familiarity: Float[np.ndarray, " n"]
    threshold: float | None
    classes: ClassModel

    @property
    def none(self) -> Bool[np.ndarray, " n"]:
        """It shows none of the classes."""
        if self.threshold is None:
            return np.zeros(len(self.familiarity), bool)
        return np.asarray(self.familiarity < self.threshold)


@dataclass(frozen=True)
class Known:
    """What is known before a picture is looked at: supports, their `labels`, and other classes."""

    supports: Float[np.ndarray, "m r"]
    labels: Int[np.ndarray, " m"]
    background: Float[np.ndarray, "b r"] | None

    def judge(self, alone: ClassModel, z: Float[np.ndarray, "n r"], *, together: bool) -> Verdict:
        """Look at pictures with classes made of supports and texts; `together`: they may say more of them."""
        first = familiarity(alone.scores(alone.place(z)).max(1), z, alone, self.background)
        threshold = self.threshold([alone], 0)
        if not together or not len(z):
            return Verdict(first, threshold, alone)
        shared = _shared(first, alone.place(z))
        # Pictures of no class would draw the classes to themselves.
        weight = 1.0 if threshold is None else 1 / (1 + np.exp(-SLOPE * (shared - threshold)))
        moved = alone.with_queries(z, weight)
        second = familiarity(moved.scores(moved.place(z)).max(1), z, moved, self.background)
        scores = _shared((first + second) / 2, alone.place(z))
        return Verdict(scores, self.threshold([alone, moved], len(z)), moved)

    def threshold(self, models: Sequence[ClassModel], queries: int) -> float | None:
        """The familiarity that all but `SHARE_BELOW` of left-out supports reach, as the mean over `models` has it.

        Other domains count as `PRIOR_N` more supports. None without background where there are fewer than that.
        """
        ways, testing = len(models[0].text), testable(self.labels, len(models[0].text))
        if (self.background is None and testing.sum() < PRIOR_N) or not len(self.labels):
            return None
        counts = np.bincount(self.labels, minlength=ways)
        prior, n = elsewhere(ways, float(np.median(counts[counts > 0])), queries), int(testing.sum())
        if n == 0:
            return prior
        rows, background = self.supports[testing], self.background
        nearest = [model.left_out_scores(self.supports, self.labels)[testing].max(1) for model in models]
        scores = [familiarity(best, rows, model, background) for best, model in zip(nearest, models, strict=True)]
        measured = float(np.quantile(np.mean(scores, 0), SHARE_BELOW))
        return measured if background is None else (n * measured + PRIOR_N * prior) / (n + PRIOR_N)


def familiarity(
    best: Float[np.ndarray, " n"],
    z: Float[np.ndarray, "n r"],
    model: ClassModel,
    background: Float[np.ndarray, "b r"] | None,
) -> Float[np.ndarray, " n"]:
    """Of pictures whose score with the nearest class is `best`."""
    near = SHARPNESS * best
    if background is None:
        return near
    far = SHARPNESS * model.place(z) @ model.place(background).T
    top = far.max(1)
    return np.asarray(near - top - np.log(np.exp(far - top[:, None]).sum(1)))


def elsewhere(ways: int, shots: float, queries: int = 0) -> float:
    """The threshold of other domains for so many classes, supports a class, and pictures that are named together."""
    by_ways = [float(np.interp(shots, SHOTS, row)) for row in ELSEWHERE]
    alone = float(np.interp(math.log(ways), np.log(WAYS), by_ways))
    return alone + float(np.interp(shots, SHOTS, TOGETHER)) * queries / (queries + 2)


def _shared(scores: Float[np.ndarray, " n"], placed: Float[np.ndarray, "n r"]) -> Float[np.ndarray, " n"]:
    """Scores, each mixed with those of the pictures that look like it; block by block, for n may be large."""
    ways, n = unit(placed), len(scores)
    others = np.arange(0, n, -(-n // MOST_OTHERS))
    mixed = np.empty(n, np.float32)
    own = math.exp(NEAR * (ALONE - 1))
    for start in range(0, n, BLOCK):
        rows = np.arange(start, min(start + BLOCK, n))
        cosines = ways[rows] @ ways[others].T
        weight = np.exp(NEAR * (cosines - 1))
        weight[(cosines < ALONE) | (rows[:, None] == others)] = 0
        mean = (weight @ scores[others] + own * scores[rows]) / (weight.sum(1) + own)
        mixed[rows] = (1 - FROM_OTHERS) * scores[rows] + FROM_OTHERS * mean
    return mixed
