"""Visual prototypes: the mean of the normalised supports, compared by cosine.

Snell, Swersky, Zemel, "Prototypical Networks for Few-shot Learning" (NeurIPS 2017, arXiv 1703.05175), with the cosine
of Wang et al., "SimpleShot" (arXiv 1911.04623). What we do differently: supports are normalised before the mean, as in
FS-KTN, so that each counts the same.
"""

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor


def prototypes(support: Float[Tensor, "e n k d"]) -> Float[Tensor, "e n d"]:
    """p_c = norm(mean_k norm(h_ck))."""
    return F.normalize(F.normalize(support, dim=-1).mean(2), dim=-1)


class Prototype:
    """Nearest visual prototype; knows nothing about classes."""

    def scores(
        self,
        support: Float[Tensor, "e n k d"],
        query: Float[Tensor, "e m d"],
        classes: Int[Tensor, "e n"],  # noqa: ARG002 - the protocol
    ) -> Float[Tensor, "e m n"]:
        """See `Method.scores`."""
        return F.normalize(query, dim=-1) @ prototypes(support).mT
