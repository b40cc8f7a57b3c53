"""Semantic weights alone: what the text predicts a class to look like, compared by cosine. Ignores the supports."""

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from syntrans_training.methods.base import LinearClassifiers, LinearMethod


class Semantic(LinearMethod):
    """Args: weights: [C, d], one predicted visual mean per class of the split."""

    def __init__(self, weights: Float[Tensor, "c d"]) -> None:
        self.weights = F.normalize(weights, dim=-1)

    def classifiers(self, support: Float[Tensor, "e n k d"], classes: Int[Tensor, "e n"]) -> LinearClassifiers:  # noqa: ARG002 - protocol
        """See `LinearMethod.classifiers`."""
        return LinearClassifiers(self.weights[classes], cosine=True)
