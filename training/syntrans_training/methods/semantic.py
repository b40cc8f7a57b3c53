"""Semantic weights alone: what the text predicts a class to look like, compared by cosine. Ignores the supports."""

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor


class Semantic:
    """Args: weights: [C, d], one predicted visual mean per class of the split."""

    def __init__(self, weights: Float[Tensor, "c d"]) -> None:
        self.weights = F.normalize(weights, dim=-1)

    def scores(
        self,
        support: Float[Tensor, "e n k d"],  # noqa: ARG002 - the protocol
        query: Float[Tensor, "e m d"],
        classes: Int[Tensor, "e n"],
    ) -> Float[Tensor, "e m n"]:
        """See `Method.scores`."""
        return F.normalize(query, dim=-1) @ self.weights[classes].mT
