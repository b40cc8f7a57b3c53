"""Cosine classifier fine-tuned on the supports: cross-entropy of scaled cosines, all episodes in one tensor.

Baseline++ of Chen et al., "A Closer Look at Few-shot Classification" (ICLR 2019, arXiv 1904.04232). What we do
differently: the weights start at the prototypes instead of at random, and AdamW takes the steps.
"""

from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from syntrans_training.methods.base import LinearClassifiers, LinearMethod
from syntrans_training.methods.prototype import prototypes
from syntrans_training.modules.solvers.finetune import finetune


class CosineClassifier(LinearMethod):
    """Baseline++ (Chen et al., ICLR 2019, arXiv 1904.04232), begun at the prototypes.

    Args: steps, lr: of AdamW; scale: of the cosines inside the softmax. Zero steps are prototypes.
    """

    def __init__(self, *, steps: int, lr: float = 0.01, scale: float = 10.0) -> None:
        self.steps, self.lr, self.scale = steps, lr, scale

    def classifiers(self, support: Float[Tensor, "e n k d"], classes: Int[Tensor, "e n"]) -> LinearClassifiers:  # noqa: ARG002 - protocol
        """See `LinearMethod.classifiers`."""
        z = F.normalize(support, dim=-1).flatten(1, 2)
        own = torch.eye(support.shape[1], device=z.device).repeat_interleave(support.shape[2], 1)
        weights = finetune(prototypes(support), partial(self._gradient, own), (z,), steps=self.steps, lr=self.lr)
        return LinearClassifiers(F.normalize(weights, dim=-1), cosine=True)

    def _gradient(
        self, own: Float[Tensor, "n nk"], weights: Float[Tensor, "e n d"], z: Float[Tensor, "e nk d"]
    ) -> Float[Tensor, "e n d"]:
        """Of the mean cross-entropy, by way of the cosines; `own` is 1 where a support is of the class."""
        length = torch.linalg.vector_norm(weights, dim=-1, keepdim=True).clamp(min=1e-12)
        cosines = weights @ z.mT / length
        of_cosines = ((self.scale * cosines).softmax(1) - own) * (self.scale / z.shape[1])
        # What lies along a weight moves only its length, which no cosine sees.
        along = (of_cosines * cosines).sum(-1, keepdim=True) / length
        gradient: Tensor = (of_cosines / length) @ z
        return gradient.addcmul_(along / length, weights, value=-1)
