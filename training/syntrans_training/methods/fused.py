"""Visual prototypes and semantic weights, convexly fused (modules/fusion.py, docs/method.md (24))."""

from jaxtyping import Float, Int
from torch import Tensor

from syntrans_training.methods.base import UNIT, LinearClassifiers, ReadsSupports, SupportReader
from syntrans_training.modules.fusion import fuse


class Fused(ReadsSupports):
    """Convex fusion, docs/method.md (24); with class vectors as texts the rule of SemFew (arXiv 2311.18649).

    Args: weights: [C, d] semantic weights of the split's classes; alpha: their share, 0 visual to 1 semantic.
    """

    reader: SupportReader = UNIT

    def __init__(self, weights: Float[Tensor, "c d"], *, alpha: float) -> None:
        if not 0 <= alpha <= 1:
            raise ValueError(f"alpha must lie between 0 (visual) and 1 (semantic), got {alpha}")
        self.weights, self.alpha = weights, alpha

    def classify(self, reading: Float[Tensor, "e n d"], classes: Int[Tensor, "e n"], shots: int) -> LinearClassifiers:  # noqa: ARG002 - protocol
        """See `ReadsSupports`."""
        return LinearClassifiers(fuse(reading, self.weights[classes], alpha=self.alpha), cosine=True)
