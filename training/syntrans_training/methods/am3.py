"""AM3: prototypes that a gate mixes with what the text is turned into (modules/am3_gate.py), by Euclidean distance.

Xing et al., "Adaptive Cross-Modal Few-Shot Learning" (NeurIPS 2019, arXiv 1902.07104), in its ProtoNet form. What we do
differently: the encoder is frozen (the gate alone is trained, on base classes), and features have unit length.
"""

from jaxtyping import Float, Int
from torch import Tensor

from syntrans_training.methods.base import LinearClassifiers, LinearMethod
from syntrans_training.methods.prototype import prototypes
from syntrans_training.modules.am3_gate import AM3Gate


class AM3(LinearMethod):
    """AM3 (Xing et al., NeurIPS 2019, arXiv 1902.07104).

    Args: gate: trained on base episodes; text: [C, s] class vectors of the split. Features have unit length.
    """

    def __init__(self, gate: AM3Gate, text: Float[Tensor, "c s"]) -> None:
        self.gate, self.text = gate.eval(), text

    def classifiers(self, support: Float[Tensor, "e n k d"], classes: Int[Tensor, "e n"]) -> LinearClassifiers:
        """The distance -scale * |x - p|^2 as a linear score: |x|^2 moves all classes alike and is left out."""
        mixed = self.gate(prototypes(support), self.text[classes])
        return LinearClassifiers(2 * self.gate.scale * mixed, bias=-self.gate.scale * mixed.square().sum(-1))
