"""Semantic weights alone: what the text predicts a class to look like, compared by cosine. Ignores the supports.

Of CLIP's own text vectors it is DCLIP: Menon, Vondrick, "Visual Classification via Description from Large Language
Models" (ICLR 2023, arXiv 2210.07183).
"""

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from syntrans_training.methods.base import LinearClassifiers, LinearMethod


class Semantic(LinearMethod):
    """Texts alone; of CLIP's texts it is DCLIP (Menon, Vondrick, ICLR 2023, arXiv 2210.07183).

    Args: weights: [C, d], one predicted visual mean per class of the split; unit: compared at unit length.

    The mean of unit texts that is not renormalised gives the mean of their cosines, which is how DCLIP
    scores a class.
    """

    def __init__(self, weights: Float[Tensor, "c d"], *, unit: bool = True) -> None:
        self.weights = F.normalize(weights, dim=-1) if unit else weights

    def classifiers(self, support: Float[Tensor, "e n k d"], classes: Int[Tensor, "e n"]) -> LinearClassifiers:  # noqa: ARG002 - protocol
        """See `LinearMethod.classifiers`."""
        return LinearClassifiers(self.weights[classes], cosine=True)
