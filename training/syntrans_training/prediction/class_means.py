"""Class directions from supports, texts and the pictures that are to be named.

All vectors are unit vectors of a space (space.py), centred on the task. A direction is a sum of three parts: supports,
text (fusion.py) and, unless told otherwise, the unlabelled pictures themselves, each counted for the classes it
probably shows (soft k-means; Ren et al., "Meta-learning for semi-supervised few-shot classification", ICLR 2018).
"""

from dataclasses import dataclass, replace

import numpy as np

from syntrans_training.prediction.fusion import text_pictures
from syntrans_training.prediction.space import Array, Labels, unit

CENTRE = 0.5  # share of the mean of the classes that is taken off: classes of one task have something in common
SCALE = 20.0  # of cosines, before a softmax
QUERY_PICTURES = 1.5  # what the unlabelled pictures of a class are worth together, in supports
HALF = 5.0  # so many unlabelled pictures count half of that
ROUNDS = 5


@dataclass(frozen=True)
class Directions:
    """Unnormalised parts of C class directions, each [C, r]; `centre` [r] is taken off every picture.

    `k0`: what a text was worth, in pictures (0 without text).
    """

    centre: Array
    pictures: Array
    text: Array
    queries: Array
    k0: float

    @property
    def unit(self) -> Array:
        """The directions [C, r] that pictures are compared with."""
        return unit(self.pictures + self.text + self.queries)

    @property
    def without_queries(self) -> "Directions":
        """What supports and texts alone say."""
        return replace(self, queries=np.zeros_like(self.queries))

    def place(self, z: Array) -> Array:
        """Pictures [n, r], centred like the classes."""
        return unit(z - self.centre)

    def left_out_cosines(self, supports: Array, labels: Labels) -> Array:
        """Cosines [n, C] of supports, each with its own class as it is without that support."""
        placed = self.place(supports)
        cosines = placed @ self.unit.T
        cosines[np.arange(len(labels)), labels] = (placed * self._left_out(supports, labels)).sum(1)
        return cosines

    def _left_out(self, supports: Array, labels: Labels) -> Array:
        """Direction [n, r] of each support's own class without that support; zero where nothing is left."""
        counts = np.bincount(labels, minlength=len(self.text))
        sums = np.zeros_like(self.text)
        np.add.at(sums, labels, supports)
        rest = counts[labels][:, None] - 1
        pictures = np.where(rest > 0, _part(sums[labels] - supports, rest, self.centre), 0).astype(np.float32)
        return unit(pictures + self.text[labels] + self.queries[labels])


def class_directions(supports: Array, labels: Labels, texts: Array | None, n_classes: int) -> Directions:
    """Directions from supports [n, r] and text predictions [C, r]; a class may have no support, or there is no text."""
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


def with_queries(directions: Directions, z: Array, known: Array | float = 1.0) -> Directions:
    """The directions after the unlabelled pictures [n, r] were counted for the classes that they probably show.

    `known` [n] in [0, 1]: how much each counts, little where it seems to show none of the classes.
    """
    if not (directions.pictures.any(1)).any():  # text alone: the pictures themselves say where their centre is
        directions = replace(directions, centre=z.mean(0))
    placed = directions.place(z)
    for _ in range(ROUNDS):
        belief = softmax(SCALE * placed @ directions.unit.T) * np.reshape(known, (-1, 1))
        mass = belief.sum(0)[:, None]
        queries = QUERY_PICTURES * mass / (mass + HALF) * unit(belief.T @ placed)
        directions = replace(directions, queries=queries.astype(np.float32))
    return directions


def softmax(x: Array) -> Array:
    """Along the last axis."""
    shifted = np.exp(x - x.max(-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(-1, keepdims=True), np.float32)


def _part(sums: Array, counts: Labels, centre: Array) -> Array:
    """Centred unit mean of the supports of each class, as long as there are supports."""
    found: Array = unit(sums / np.maximum(counts, 1) - centre) * counts
    return found
