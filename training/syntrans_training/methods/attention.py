"""Gidaris' generator at test time: novel weights from the supports and the remembered base classes, by cosine.

Gidaris, Komodakis, "Dynamic Few-Shot Visual Learning without Forgetting" (CVPR 2018, arXiv 1804.09458). What we do
differently: the encoder and the base weights are frozen (modules/attention.py), and only novel classes are scored.
"""

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from syntrans_training.methods.base import LinearClassifiers, LinearMethod
from syntrans_training.modules.attention import AttentionGenerator


class AttentionWeights(LinearMethod):
    """Dynamic few-shot learning (Gidaris, Komodakis, CVPR 2018, arXiv 1804.09458).

    Args: generator: trained on tasks of held-out base classes (modules/attention.py); all base classes are kept.
    """

    def __init__(self, generator: AttentionGenerator) -> None:
        self.generator = generator.eval()

    def classifiers(self, support: Float[Tensor, "e n k d"], classes: Int[Tensor, "e n"]) -> LinearClassifiers:  # noqa: ARG002 - protocol
        """See `LinearMethod.classifiers`."""
        return LinearClassifiers(F.normalize(self.generator(support), dim=-1), cosine=True)
