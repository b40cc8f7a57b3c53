"""Class directions from supports, texts and the pictures that are to be named.

All vectors are unit vectors of a space (space.py), centred on the task. A direction is a sum of three parts: supports,
text (text_pictures.py) and, unless told otherwise, the unlabelled pictures themselves, each counted for the classes it
probably shows (soft k-means; Ren et al., "Meta-learning for semi-supervised few-shot classification", ICLR 2018);
docs/method.md (51), (52).
"""

from dataclasses import dataclass, replace

import numpy as np

from syntrans_training.prediction.shapes import Bool, Float, Int
from syntrans_training.prediction.space import unit
from syntrans_training.prediction.text_pictures import text_pictures

CENTRE = 0.5  # share of the mean of the classes that is taken off: classes of one task have something in common
SCALE = 20.0  # of cosines, before a softmax
QUERY_PICTURES = 1.5  # what the unlabelled pictures of a class are worth together, in supports
HALF = 5.0  # so many unlabelled pictures count half of that
ROUNDS = 5


@dataclass(frozen=True)
class Directions:
    """Unnormalised parts of C class directions; `centre` is taken off every picture.

    `k0`: what a text was worth, in pictures (0 without text).
    """

    centre: Float[np.ndarray, " r"]
    pictures: Float[np.ndarray, "c r"]
    text: Float[np.ndarray, "c r"]
    queries: Float[np.ndarray, "c r"]
    k0: float

    @property
    def unit(self) -> Float[np.ndarray, "c r"]:
        """The directions that pictures are compared with."""
        return unit(self.pictures + self.text + self.queries)

    def place(self, z: Float[np.ndarray, "n r"]) -> Float[np.ndarray, "n r"]:
        """Pictures, centred like the classes."""
        return unit(z - self.centre)

    def scores(self, placed: Float[np.ndarray, "n r"]) -> Float[np.ndarray, "n c"]:
        """Cosines."""
        return np.asarray(placed @ self.unit.T)

    def text_scores(self, placed: Float[np.ndarray, "n r"]) -> Float[np.ndarray, "n c"]:
        """Their part that is the text's."""
        lengths = np.linalg.norm(self.pictures + self.text + self.queries, axis=1)
        return np.asarray(placed @ self.text.T / lengths)

    def left_out_scores(
        self, supports: Float[np.ndarray, "n r"], labels: Int[np.ndarray, " n"]
    ) -> Float[np.ndarray, "n c"]:
        """See `ClassModel`."""
        placed = self.place(supports)
        cosines = self.scores(placed)
        cosines[np.arange(len(labels)), labels] = (placed * self._left_out(supports, labels)).sum(1)
        return cosines

    def with_queries(self, z: Float[np.ndarray, "n r"], weight: Float[np.ndarray, " n"] | float = 1.0) -> "Directions":
        """See `ClassModel`; where there is text alone, the pictures say where their centre is: few of them, little."""
        moved = self if self.pictures.any() else replace(self, centre=z.sum(0) / np.float32(len(z) + HALF))
        placed = moved.place(z)
        for _ in range(ROUNDS):
            belief, worth = beliefs(moved.scores(placed), weight)
            queries = worth * unit(belief.T @ placed)
            moved = replace(moved, queries=queries.astype(np.float32))
        return moved

    def _left_out(self, supports: Float[np.ndarray, "n r"], labels: Int[np.ndarray, " n"]) -> Float[np.ndarray, "n r"]:
        """Direction [n, r] of each support's own class without that support; zero where nothing is left."""
        counts = np.bincount(labels, minlength=len(self.text))
        sums = np.zeros_like(self.text)
        np.add.at(sums, labels, supports)
        rest = counts[labels][:, None] - 1
        pictures = np.where(rest > 0, _part(sums[labels] - supports, rest, self.centre), 0).astype(np.float32)
        return unit(pictures + self.text[labels] + self.queries[labels])


def class_directions(
    supports: Float[np.ndarray, "n r"],
    labels: Int[np.ndarray, " n"],
    texts: Float[np.ndarray, "c r"] | None,
    n_classes: int,
) -> Directions:
    """Directions from supports and text predictions; a class may have no support, or there is no text."""
    counts = np.bincount(labels, minlength=n_classes)[:, None]
    dim = supports.shape[1] if texts is None else texts.shape[1]
    sums = np.zeros((n_classes, dim), np.float32)
    np.add.at(sums, labels, supports)
    seen = counts[:, 0] > 0
    centre = CENTRE * (sums[seen] / counts[seen]).mean(0) if seen.sum() > 1 else np.zeros(dim, np.float32)
    pictures = np.where(counts > 0, _part(sums, counts, centre), 0).astype(np.float32)
    text, k0 = np.zeros_like(pictures), 0.0
    if texts is not None and n_classes > 1:
        predicted = unit(texts - texts.mean(0))
        k0 = text_pictures(unit(supports - centre), labels, predicted)
        # A class without a picture has nothing but its text, whatever that is worth.
        text = predicted * np.where(seen, k0, max(k0, 1.0))[:, None]
    return Directions(centre.astype(np.float32), pictures, text.astype(np.float32), np.zeros_like(pictures), k0)


def beliefs(
    scores: Float[np.ndarray, "n c"], weight: Float[np.ndarray, " n"] | float
) -> tuple[Float[np.ndarray, "n c"], Float[np.ndarray, "c 1"]]:
    """How probably each unlabelled picture shows each class, and what those of a class are worth."""
    belief = softmax(SCALE * scores) * np.reshape(weight, (-1, 1))
    mass = belief.sum(0)[:, None]
    return belief, QUERY_PICTURES * mass / (mass + HALF)


def testable(labels: Int[np.ndarray, " n"], ways: int) -> Bool[np.ndarray, " n"]:
    """Supports that are not the only one of their class: they can be left out."""
    return np.asarray(np.bincount(labels, minlength=ways)[labels] > 1)


def softmax(x: Float[np.ndarray, "*n c"]) -> Float[np.ndarray, "*n c"]:
    """Along the last axis."""
    shifted = np.exp(x - x.max(-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(-1, keepdims=True), np.float32)


def _part(
    sums: Float[np.ndarray, "c r"], counts: Int[np.ndarray, "c 1"], centre: Float[np.ndarray, " r"]
) -> Float[np.ndarray, "c r"]:
    """Centred unit mean of the supports of each class, as long as there are supports."""
    return np.asarray(unit(sums / np.maximum(counts, 1) - centre) * counts)
