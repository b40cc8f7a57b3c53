"""Interfaces of few-shot methods: `Method`, `LinearMethod`, `InSpace`, `ReadsSupports`; and their accuracy.

Sizes: E episodes, N ways, K shots, Q queries per class, d feature dimensions, C classes of the split.
Queries are ordered by class: query number c * Q + i belongs to class c of its episode.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

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


@runtime_checkable
class ReadsSupports(Protocol):
    """A linear method that takes something of the supports, whatever their texts: a scorer makes it once for all.

    Methods share it where their `reader` is the same object.
    """

    @property
    def reader(self) -> object:
        """What reads."""
        ...

    def read(self, support: Float[Tensor, "e n k d"]) -> Any:
        """What it takes of the supports."""
        ...

    def classify(self, reading: Any, classes: Int[Tensor, "e n"]) -> LinearClassifiers:
        """`LinearMethod.classifiers` of supports that are read."""
        ...


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
