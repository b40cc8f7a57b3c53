"""Cosine classifier fine-tuned on the supports: cross-entropy of scaled cosines, all episodes in one tensor.

Baseline++ of Chen et al., "A Closer Look at Few-shot Classification" (ICLR 2019, arXiv 1904.04232). What we do
differently: the weights start at the prototypes instead of at random, and AdamW takes the steps.
"""

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from syntrans_training.episodes.class_index import query_labels
from syntrans_training.methods.base import LinearClassifiers, LinearMethod
from syntrans_training.methods.prototype import prototypes
from syntrans_training.modules.finetune import finetune


class CosineClassifier(LinearMethod):
    """Baseline++ (Chen et al., ICLR 2019, arXiv 1904.04232), begun at the prototypes.

    Args: steps, lr: of AdamW; scale: of the cosines inside the softmax. Zero steps are prototypes.
    """

    def __init__(self, *, steps: int, lr: float = 0.01, scale: float = 10.0) -> None:
        self.steps, self.lr, self.scale = steps, lr, scale

    def classifiers(self, support: Float[Tensor, "e n k d"], classes: Int[Tensor, "e n"]) -> LinearClassifiers:  # noqa: ARG002 - protocol
        """See `LinearMethod.classifiers`."""
        z = F.normalize(support, dim=-1).flatten(1, 2)
        weights = finetune(prototypes(support), self._loss, (z,), steps=self.steps, lr=self.lr)
        return LinearClassifiers(F.normalize(weights, dim=-1), cosine=True)

    def _loss(self, weights: Float[Tensor, "e n d"], z: Float[Tensor, "e nk d"]) -> Float[Tensor, " e"]:
        logits = self.scale * (z @ F.normalize(weights, dim=-1).mT)
        truth = query_labels(weights.shape[1], z.shape[1] // weights.shape[1], device=z.device)
        losses = F.cross_entropy(logits.mT, truth.expand(len(z), -1), reduction="none")
        return losses.mean(-1)
