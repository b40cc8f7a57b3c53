"""AM3: prototypes that a gate mixes with what the text is turned into (modules/am3_gate.py), by Euclidean distance.

Xing et al., "Adaptive Cross-Modal Few-Shot Learning" (NeurIPS 2019, arXiv 1902.07104), in its ProtoNet form. What we do
differently: the encoder is frozen (the gate alone is trained, on base classes), and features have unit length.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from syntrans_training.methods.base import UNIT, LinearClassifiers, ReadsSupports, SupportReader
from syntrans_training.modules.am3_gate import AM3Gate


class AM3(ReadsSupports):
    """AM3 (Xing et al., NeurIPS 2019, arXiv 1902.07104).

    Args: gate: trained on base episodes; text: [C, s] class vectors of the split. Features have unit length.
    """

    reader: SupportReader = UNIT

    def __init__(self, gate: AM3Gate, text: Float[Tensor, "c s"]) -> None:
        self.gate = gate.eval()
        with torch.no_grad():
            self.semantic, self.share = gate.of_text(text)

    def classify(self, reading: Float[Tensor, "e n d"], classes: Int[Tensor, "e n"], shots: int) -> LinearClassifiers:  # noqa: ARG002 - protocol
        """The distance -scale * |x - p|^2 as a linear score: |x|^2 moves all classes alike and is left out."""
        share = self.share[classes]
        mixed = share * F.normalize(reading, dim=-1) + (1 - share) * self.semantic[classes]
        return LinearClassifiers(2 * self.gate.scale * mixed, bias=-self.gate.scale * mixed.square().sum(-1))
