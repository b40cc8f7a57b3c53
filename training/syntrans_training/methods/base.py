"""What a method is, and how its accuracy is taken.

Sizes: E episodes, N ways, K shots, Q queries per class, d feature dimensions, C classes of the split.
Queries are ordered by class: query number c * Q + i belongs to class c of its episode.
"""

from typing import Protocol

import torch
from jaxtyping import Float, Int
from torch import Tensor


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


def accuracy(scores: Float[Tensor, "e m n"]) -> Float[Tensor, " e"]:
    """Share of queries of each episode whose own class has the highest score (ties go to the lower class number)."""
    _episodes, m, n = scores.shape
    truth = torch.arange(n, device=scores.device).repeat_interleave(m // n)
    return (scores.argmax(-1) == truth).double().mean(-1)
