"""Visual prototypes: the mean of the normalised supports, compared by cosine.

Snell, Swersky, Zemel, "Prototypical Networks for Few-shot Learning" (NeurIPS 2017, arXiv 1703.05175), with the cosine
of Wang et al., "SimpleShot" (arXiv 1911.04623). What we do differently: supports are normalised before the mean, as in
FS-KTN, so that each counts the same.
"""

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from syntrans_training.methods.base import LinearClassifiers, LinearMethod


def prototypes(support: Float[Tensor, "e n k d"]) -> Float[Tensor, "e n d"]:
    """p_c = norm(mean_k norm(h_ck))."""
    return F.normalize(F.normalize(support, dim=-1).mean(2), dim=-1)


class Prototype(LinearMethod):
    """Nearest visual prototype by cosine (Snell et al., NeurIPS 2017, arXiv 1703.05175); sees no texts."""

    def classifiers(self, support: Float[Tensor, "e n k d"], classes: Int[Tensor, "e n"]) -> LinearClassifiers:  # noqa: ARG002 - protocol
        """See `LinearMethod.classifiers`."""
        return LinearClassifiers(prototypes(support), cosine=True)


class Euclidean(LinearMethod):
    """Nearest class mean by Euclidean distance (Snell et al., NeurIPS 2017, arXiv 1703.05175).

    Scores are half of -d^2 + |query|^2.
    """

    def classifiers(self, support: Float[Tensor, "e n k d"], classes: Int[Tensor, "e n"]) -> LinearClassifiers:  # noqa: ARG002 - protocol
        """See `LinearMethod.classifiers`."""
        means = support.mean(2)
        return LinearClassifiers(means, bias=-means.square().sum(-1) / 2)
