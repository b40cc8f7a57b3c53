"""Interfaces of few-shot methods: `Method`, `LinearMethod`, `InSpace`, `ReadsSupports`; and their accuracy.

Sizes: E episodes, N ways, K shots, Q queries per class, d feature dimensions, C classes of the split.
Queries are ordered by class: query number c * Q + i belongs to class c of its episode.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Protocol, final, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from syntrans_training.episodes.class_index import query_labels


@runtime_checkable
class Method(Protocol):
    """Scores queries of many episodes at once; a higher score is a likelier class."""

    def scores(
        self,
        support: Float[Tensor, "e n k d"],
        query: Float[Tensor, "e m d"],
        classes: Int[Tensor, "e n"],
    ) -> Float[Tensor, "e m n"]:
        """`classes` are the class numbers of the split, for methods that know something about them."""
        ...


@runtime_checkable
class Space(Protocol):
    """Where some methods compare pictures."""

    def project(self, features: Float[Tensor, "*b d"]) -> Float[Tensor, "*b r"]:
        """Pictures in the space."""
        ...


@runtime_checkable
class InSpace(Protocol):
    """A method that brings pictures into a space first: a scorer does it once for all methods of that space."""

    @property
    def space(self) -> Space:
        """The space; methods share it where it is the same object."""
        ...

    @property
    def within(self) -> Method:
        """The same method, of pictures that are in the space already."""
        ...


@dataclass(frozen=True)
class LinearClassifiers:
    """Of E episodes: the score of a query is its inner product with a class's weight, plus a bias.

    With `cosine` the queries are taken at unit length.
    """

    weight: Float[Tensor, "e n d"]
    bias: Float[Tensor, "e n"] | None = None
    cosine: bool = False

    def scores(self, query: Float[Tensor, "e m d"]) -> Float[Tensor, "e m n"]:
        """The scores of queries that lie side by side in memory."""
        products = (F.normalize(query, dim=-1) if self.cosine else query) @ self.weight.mT
        return products if self.bias is None else products + self.bias.unsqueeze(1)


class LinearMethod(ABC):
    """A method that looks at supports only to make a linear classifier of them.

    The scorer asks such methods for their classifiers alone and scores all of them in one product per episode, without
    gathering the queries of a chunk.
    """

    @abstractmethod
    def classifiers(self, support: Float[Tensor, "e n k d"], classes: Int[Tensor, "e n"]) -> LinearClassifiers:
        """One classifier per episode; `classes` are the class numbers of the split."""

    def scores(
        self, support: Float[Tensor, "e n k d"], query: Float[Tensor, "e m d"], classes: Int[Tensor, "e n"]
    ) -> Float[Tensor, "e m n"]:
        """See `Method.scores`."""
        return self.classifiers(support, classes).scores(query)


class SupportReader:
    """What methods take of the supports of a class: of the mean of what is made of each picture.

    A scorer makes that once of every picture, however many tasks show it. Compared as an object; this one makes
    nothing of pictures, and of their mean nothing more.
    """

    def of_pictures(self, pictures: Float[Tensor, "b d"], _classes: Int[Tensor, " b"]) -> Float[Tensor, "b r"]:
        """A row for each picture, by itself and by the class of the split that it is of."""
        return pictures

    def of_mean(self, mean: Float[Tensor, "e n r"], _shots: int) -> Any:
        """What is taken of the mean of the rows of a class's supports."""
        return mean


class UnitPictures(SupportReader):
    """The mean of pictures of the same length."""

    def of_pictures(self, pictures: Float[Tensor, "b d"], _classes: Int[Tensor, " b"]) -> Float[Tensor, "b d"]:
        """See `SupportReader`."""
        return F.normalize(pictures, dim=-1)


PLAIN, UNIT = SupportReader(), UnitPictures()


class ReadsSupports(LinearMethod):
    """A linear method that sees nothing of supports but what its reader takes of them.

    A scorer takes it once for all methods whose `reader` is the same.
    """

    reader: SupportReader

    @abstractmethod
    def classify(self, reading: Any, classes: Int[Tensor, "e n"], shots: int) -> LinearClassifiers:
        """`LinearMethod.classifiers` of supports that are read."""

    def read(self, support: Float[Tensor, "e n k d"], classes: Int[Tensor, "e n"]) -> Any:
        """What the reader takes of supports that it has not met."""
        e, n, shots, _ = support.shape
        own = classes.unsqueeze(2).expand(e, n, shots).flatten()
        rows = self.reader.of_pictures(support.flatten(0, 2), own)
        return self.reader.of_mean(rows.view(e, n, shots, -1).mean(2), shots)

    @final
    def classifiers(self, support: Float[Tensor, "e n k d"], classes: Int[Tensor, "e n"]) -> LinearClassifiers:
        """See `LinearMethod.classifiers`."""
        return self.classify(self.read(support, classes), classes, support.shape[2])


def accuracy(scores: Float[Tensor, "e m n"]) -> Float[Tensor, " e"]:
    """Share of queries of each episode whose own class has the highest score (ties go to the lower class number)."""
    _episodes, m, n = scores.shape
    return (scores.argmax(-1) == query_labels(n, m // n, device=scores.device)).double().mean(-1)


def right_answers(scores: Float[Tensor, "*b n m"]) -> Bool[Tensor, "*b m"]:
    """Which queries' own class has the highest score, by the rule of `accuracy`; ten times as fast as an argmax."""
    n, m = scores.shape[-2:]
    own = query_labels(n, m // n, device=scores.device)
    best = scores.gather(-2, own.expand(*scores.shape[:-2], 1, m))
    before = torch.arange(n, device=scores.device).unsqueeze(1) < own
    right: Tensor = torch.where(before, scores < best, scores <= best).all(-2)
    return right
