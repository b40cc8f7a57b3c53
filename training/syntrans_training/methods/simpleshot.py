"""SimpleShot, CL2N: features centred by the base mean, of unit length, and the nearest centroid by cosine.

Wang et al., "SimpleShot: Revisiting Nearest-Neighbor Classification for Few-Shot Learning" (arXiv 1911.04623). Cosine
in place of its Euclidean distance, as easyfsl has it; at one shot both rank alike.
"""

from jaxtyping import Float, Int
from torch import Tensor

from syntrans_training.methods.base import LinearClassifiers
from syntrans_training.methods.prototype import prototypes


class SimpleShot:
    """SimpleShot, CL2N (Wang et al., arXiv 1911.04623).

    Args: mean: [d], the mean feature of the base classes, of the same raw features.
    """

    def __init__(self, mean: Float[Tensor, " d"]) -> None:
        self.mean = mean

    def scores(
        self,
        support: Float[Tensor, "e n k d"],
        query: Float[Tensor, "e m d"],
        classes: Int[Tensor, "e n"],  # noqa: ARG002 - the protocol
    ) -> Float[Tensor, "e m n"]:
        """See `Method.scores`."""
        return LinearClassifiers(prototypes(support - self.mean), cosine=True).scores(query - self.mean)
