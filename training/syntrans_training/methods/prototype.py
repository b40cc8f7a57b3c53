"""Visual prototypes: the mean of the normalised supports, compared by cosine.

Snell, Swersky, Zemel, "Prototypical Networks for Few-shot Learning" (NeurIPS 2017, arXiv 1703.05175), with the cosine
of Wang et al., "SimpleShot" (arXiv 1911.04623). What we do differently: supports are normalised before the mean, as in
FS-KTN, so that each counts the same.
"""

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from syntrans_training.methods.base import PLAIN, UNIT, LinearClassifiers, ReadsSupports, SupportReader


def prototypes(support: Float[Tensor, "e n k d"]) -> Float[Tensor, "e n d"]:
    """p_c = norm(mean_k norm(h_ck))."""
    return F.normalize(F.normalize(support, dim=-1).mean(2), dim=-1)


class Prototype(ReadsSupports):
    """Nearest visual prototype by cosine (Snell et al., NeurIPS 2017, arXiv 1703.05175); sees no texts."""

    reader: SupportReader = UNIT

    def classify(self, reading: Float[Tensor, "e n d"], classes: Int[Tensor, "e n"], shots: int) -> LinearClassifiers:  # noqa: ARG002 - protocol
        """See `ReadsSupports`."""
        return LinearClassifiers(F.normalize(reading, dim=-1), cosine=True)


class Euclidean(ReadsSupports):
    """Nearest class mean by Euclidean distance (Snell et al., NeurIPS 2017, arXiv 1703.05175).

    Scores are half of -d^2 + |query|^2.
    """

    reader: SupportReader = PLAIN

    def classify(self, reading: Float[Tensor, "e n d"], classes: Int[Tensor, "e n"], shots: int) -> LinearClassifiers:  # noqa: ARG002 - protocol
        """See `ReadsSupports`."""
        return LinearClassifiers(reading, bias=-reading.square().sum(-1) / 2)
