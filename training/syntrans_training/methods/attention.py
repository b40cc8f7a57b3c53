"""Gidaris' generator at test time: novel weights from the supports and the remembered base classes, by cosine."""

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from syntrans_training.modules.attention import AttentionGenerator

from .base import Heads


class AttentionWeights:
    """Args: generator: trained on fake-novel base episodes (modules/attention.py); all base classes are remembered."""

    def __init__(self, generator: AttentionGenerator) -> None:
        self.generator = generator.eval()

    def heads(self, support: Float[Tensor, "e n k d"], classes: Int[Tensor, "e n"]) -> Heads:  # noqa: ARG002 - protocol
        """See `Linear.heads`."""
        return Heads(F.normalize(self.generator(support), dim=-1), cosine=True)

    def scores(
        self, support: Float[Tensor, "e n k d"], query: Float[Tensor, "e m d"], classes: Int[Tensor, "e n"]
    ) -> Float[Tensor, "e m n"]:
        """See `Method.scores`."""
        return self.heads(support, classes).scores(query)
