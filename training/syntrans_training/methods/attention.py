"""Gidaris' generator at test time: novel weights from the supports and the remembered base classes, by cosine.

Gidaris, Komodakis, "Dynamic Few-Shot Visual Learning without Forgetting" (CVPR 2018, arXiv 1804.09458). What we do
differently: the encoder and the base weights are frozen (modules/attention.py), and only novel classes are scored.
"""

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from syntrans_training.methods.base import LinearClassifiers, ReadsSupports, SupportReader
from syntrans_training.modules.attention import AttentionGenerator


class WeightsOfOne(SupportReader):
    """The weights that the generator (Gidaris, Komodakis, CVPR 2018, arXiv 1804.09458) makes of one picture.

    Those of several are their mean.
    """

    def __init__(self, generator: AttentionGenerator) -> None:
        self.generator = generator

    def of_pictures(self, pictures: Float[Tensor, "b d"], _classes: Int[Tensor, " b"]) -> Float[Tensor, "b d"]:
        """See `SupportReader`."""
        weights: Tensor = self.generator(pictures.view(-1, 1, 1, pictures.shape[-1]))
        return weights.flatten(1)


class AttentionWeights(ReadsSupports):
    """Dynamic few-shot learning (Gidaris, Komodakis, CVPR 2018, arXiv 1804.09458).

    Args: generator: trained on tasks of held-out base classes (modules/attention.py); all base classes are kept.
    """

    def __init__(self, generator: AttentionGenerator) -> None:
        self.reader = WeightsOfOne(generator.eval())

    def classify(self, reading: Float[Tensor, "e n d"], classes: Int[Tensor, "e n"], shots: int) -> LinearClassifiers:  # noqa: ARG002 - protocol
        """See `ReadsSupports`."""
        return LinearClassifiers(F.normalize(reading, dim=-1), cosine=True)
