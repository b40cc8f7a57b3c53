"""SemFew: prototypes convexly mixed with the class centres that SemAlign reconstructs (modules/semalign.py).

Zhang et al., "Simple Semantic-Aided Few-Shot Learning" (CVPR 2024, arXiv 2311.18649).
Every support is reconstructed with its class's text; w = k * prototype + (1 - k) * mean reconstruction, with SemFew's k
chosen on val. Scores by cosine. What we do differently: the texts are mined descriptors in place of its own.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from syntrans_training.methods.base import LinearClassifiers, ReadsSupports, SupportReader
from syntrans_training.modules.semalign import SemAlign


class Reconstruction(SupportReader):
    """Unit pictures, then the centres that SemFew (Zhang et al., CVPR 2024, arXiv 2311.18649) makes of them.

    Args: network: trained on base classes; text: [C, s] class vectors of the split.
    """

    def __init__(self, network: SemAlign, text: Float[Tensor, "c s"]) -> None:
        self.network, self.text = network.eval(), text

    def of_pictures(self, pictures: Float[Tensor, "b d"], classes: Int[Tensor, " b"]) -> Float[Tensor, "b dd"]:
        """See `SupportReader`."""
        unit = F.normalize(pictures, dim=-1)
        return torch.cat([unit, self.network.centres(unit, self.text, classes)], 1)


class SemanticAlignment(ReadsSupports):
    """SemFew (Zhang et al., CVPR 2024, arXiv 2311.18649).

    Args: reader: a network trained on base classes, with the split's class vectors; k: the prototypes' share.
    """

    def __init__(self, reader: Reconstruction, *, k: float) -> None:
        self.reader, self.k = reader, k

    def classify(self, reading: Float[Tensor, "e n dd"], classes: Int[Tensor, "e n"], shots: int) -> LinearClassifiers:  # noqa: ARG002 - protocol
        """See `ReadsSupports`."""
        mean, centre = reading.chunk(2, -1)
        return LinearClassifiers(F.normalize(self.k * mean + (1 - self.k) * centre, dim=-1), cosine=True)
