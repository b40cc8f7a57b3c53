"""SemFew: prototypes convexly mixed with the class centres that SemAlign reconstructs (modules/semalign.py).

Zhang et al., "Simple Semantic-Aided Few-Shot Learning" (CVPR 2024, arXiv 2311.18649).
Every support is reconstructed with its class's text; w = k * prototype + (1 - k) * mean reconstruction, with SemFew's k
chosen on val. Scores by cosine. What we do differently: the texts are mined descriptors in place of its own.
"""

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from syntrans_training.methods.base import LinearClassifiers, LinearMethod
from syntrans_training.modules.semalign import SemAlign


class SemanticAlignment(LinearMethod):
    """SemFew (Zhang et al., CVPR 2024, arXiv 2311.18649).

    Args: network: trained on base classes; text: [C, s] class vectors of the split; k: the prototypes' share.
    """

    def __init__(self, network: SemAlign, text: Float[Tensor, "c s"], *, k: float) -> None:
        self.network, self.text, self.k = network.eval(), text, k

    def classifiers(self, support: Float[Tensor, "e n k d"], classes: Int[Tensor, "e n"]) -> LinearClassifiers:
        """See `LinearMethod.classifiers`."""
        unit = F.normalize(support, dim=-1)
        mixed = self.k * unit.mean(2) + (1 - self.k) * self.network.mean_centre(self.text[classes], unit)
        return LinearClassifiers(F.normalize(mixed, dim=-1), cosine=True)
