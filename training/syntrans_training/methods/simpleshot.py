"""SimpleShot, CL2N: features centred by the base mean, of unit length, and the nearest centroid by cosine.

Wang et al., "SimpleShot: Revisiting Nearest-Neighbor Classification for Few-Shot Learning" (arXiv 1911.04623). Cosine
in place of its Euclidean distance, as easyfsl has it; at one shot both rank alike.
"""

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from syntrans_training.methods.prototype import Prototype


@dataclass(frozen=True)
class Centred:
    """The features less their `mean` [d] over the base classes: a `Space`.

    The centring of Wang et al. (arXiv 1911.04623).
    """

    mean: Float[Tensor, " d"]

    def project(self, features: Float[Tensor, "*b d"]) -> Float[Tensor, "*b d"]:
        """See `Space`."""
        return features - self.mean


class SimpleShot:
    """SimpleShot, CL2N (Wang et al., arXiv 1911.04623).

    Args: mean: [d], the mean feature of the base classes, of the same raw features.
    """

    def __init__(self, mean: Float[Tensor, " d"]) -> None:
        self.space, self.within = Centred(mean), Prototype()

    def scores(
        self,
        support: Float[Tensor, "e n k d"],
        query: Float[Tensor, "e m d"],
        classes: Int[Tensor, "e n"],
    ) -> Float[Tensor, "e m n"]:
        """See `Method.scores`."""
        return self.within.scores(self.space.project(support), self.space.project(query), classes)
