"""Semantic weights alone: what the text predicts a class to look like, compared by cosine. Ignores the supports."""

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from .base import Heads


class Semantic:
    """Args: weights: [C, d], one predicted visual mean per class of the split."""

    def __init__(self, weights: Float[Tensor, "c d"]) -> None:
        self.weights = F.normalize(weights, dim=-1)

    def heads(self, support: Float[Tensor, "e n k d"], classes: Int[Tensor, "e n"]) -> Heads:  # noqa: ARG002 - protocol
        """See `Linear.heads`."""
        return Heads(self.weights[classes], cosine=True)

    def scores(
        self, support: Float[Tensor, "e n k d"], query: Float[Tensor, "e m d"], classes: Int[Tensor, "e n"]
    ) -> Float[Tensor, "e m n"]:
        """See `Method.scores`."""
        return self.heads(support, classes).scores(query)
