"""Class directions from supports, texts and the pictures that are to be named.

All vectors are unit vectors of a space (space.py), centred on the task. A direction is a sum of three parts: supports,
text (text_pictures.py) and, unless told otherwise, the unlabelled pictures themselves, each counted for the classes it
probably shows (soft k-means; Ren et al., "Meta-learning for semi-supervised few-shot classification", ICLR 2018);
docs/method.md (51), (52).
"""

from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from syntrans_training.prediction.space import Array, Labels, unit
from syntrans_training.prediction.text_pictures import text_pictures

CENTRE = 0.5  # share of the mean of the classes that is taken off: classes of one task have something in common
SCALE = 20.0  # of cosines, before a softmax
QUERY_PICTURES = 1.5  # what the unlabelled pictures of a class are worth together, in supports
HALF = 5.0  # so many unlabelled pictures count half of that
ROUNDS = 5


@runtime_checkable
class ClassModel(Protocol):
    """C classes that pictures are compared with; `pictures` and `text` [C, r] are what each says of them.

    softmax(scale * scores) are probabilities, with a scale around `SCALE`.
    """

    @property
    def pictures(self) -> Array: ...  # noqa: D102

    @property
    def text(self) -> Array: ...  # noqa: D102

    def place(self, z: Array) -> Array:
        """Pictures [n, r] of the space, as `scores` takes them."""
        ...

    def scores(self, placed: Array) -> Array:
        """[n, C], high for a likely class."""
        ...

    def text_scores(self, placed: Array) -> Array:
        """[n, C], what the scores owe to text."""
        ...

    def left_out_scores(self, supports: Array, labels: Labels) -> Array:
        """Scores [n, C] of supports, each with its own class as it is without that support."""
        ...

    def with_queries(self, z: Array, known: Array | float = 1.0) -> "ClassModel":
        """The classes after the unlabelled pictures [n, r] were counted for those that they probably show.

        `known` [n] in [0, 1]: how much each counts, little where it seems to show none of the classes.
        """
        ...


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

    def place(self, z: Array) -> Array:
        """Pictures [n, r], centred like the classes."""
        return unit(z - self.centre)

    def scores(self, placed: Array) -> Array:
        """Cosines [n, C]."""
        return np.asarray(placed @ self.unit.T)

    def text_scores(self, placed: Array) -> Array:
        """Their part [n, C] that is the text's."""
        lengths = np.linalg.norm(self.pictures + self.text + self.queries, axis=1)
        return np.asarray(placed @ self.text.T / lengths)

    def left_out_scores(self, supports: Array, labels: Labels) -> Array:
        """See `ClassModel`."""
        placed = self.place(supports)
        cosines = self.scores(placed)
        cosines[np.arange(len(labels)), labels] = (placed * self._left_out(supports, labels)).sum(1)
        return cosines

    def with_queries(self, z: Array, known: Array | float = 1.0) -> "Directions":
        """See `ClassModel`; where there is text alone, the pictures themselves say where their centre is."""
        moved = self if self.pictures.any() else replace(self, centre=z.mean(0))
        placed = moved.place(z)
        for _ in range(ROUNDS):
            belief, worth = beliefs(moved.scores(placed), known)
            queries = worth * unit(belief.T @ placed)
            moved = replace(moved, queries=queries.astype(np.float32))
        return moved

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


def beliefs(scores: Array, known: Array | float) -> tuple[Array, Array]:
    """How probably each unlabelled picture shows each class [n, C], and what those of a class are worth [C, 1]."""
    belief = softmax(SCALE * scores) * np.reshape(known, (-1, 1))
    mass = belief.sum(0)[:, None]
    return belief, QUERY_PICTURES * mass / (mass + HALF)


def testable(labels: Labels, ways: int) -> NDArray[np.bool_]:
    """[n], supports that are not the only one of their class: they can be left out."""
    return np.asarray(np.bincount(labels, minlength=ways)[labels] > 1)


def softmax(x: Array) -> Array:
    """Along the last axis of [..., C]."""
    shifted = np.exp(x - x.max(-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(-1, keepdims=True), np.float32)


def _part(sums: Array, counts: Labels, centre: Array) -> Array:
    """Centred unit mean of the supports of each class, as long as there are supports."""
    found: Array = unit(sums / np.maximum(counts, 1) - centre) * counts
    return found
