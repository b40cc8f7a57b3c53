"""Visual prototypes and semantic weights, convexly fused (modules/fusion.py, docs/method.md (24))."""

from jaxtyping import Float, Int
from torch import Tensor

from syntrans_training.methods.base import LinearClassifiers, LinearMethod
from syntrans_training.methods.prototype import prototypes
from syntrans_training.modules.fusion import fuse


class Fused(LinearMethod):
    """Convex fusion, docs/method.md (24); with class vectors as texts the rule of SemFew (arXiv 2311.18649).

    Args: weights: [C, d] semantic weights of the split's classes; alpha: their share, 0 visual to 1 semantic.
    """

    def __init__(self, weights: Float[Tensor, "c d"], *, alpha: float) -> None:
        if not 0 <= alpha <= 1:
            raise ValueError(f"alpha must lie between 0 (visual) and 1 (semantic), got {alpha}")
        self.weights, self.alpha = weights, alpha

    def classifiers(self, support: Float[Tensor, "e n k d"], classes: Int[Tensor, "e n"]) -> LinearClassifiers:
        """See `LinearMethod.classifiers`."""
        return LinearClassifiers(fuse(prototypes(support), self.weights[classes], alpha=self.alpha), cosine=True)
