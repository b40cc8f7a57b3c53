"""FS-KTN's rule: the mean support plus 1/K times the weight that the text predicts, however many supports there are.

Peng et al., "Few-Shot Image Recognition with Knowledge Transfer" (ICCV 2019), as its authors' code
has it: w_c = mean_k norm(z_k) + (5 / (N * K)) * w^s_c, which is 1/K for five ways; scores by cosine.
The additive fusion of docs/method.md (25) is made after it. What we do differently: w^s comes from the bridge's ridge
map in place of their graph network.
"""

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from syntrans_training.methods.base import UNIT, LinearClassifiers, ReadsSupports, SupportReader


class KnowledgeTransfer(ReadsSupports):
    """FS-KTN (Peng et al., ICCV 2019).

    Args: weights: [C, d], the unit weights that the text predicts for the split's classes.
    """

    reader: SupportReader = UNIT

    def __init__(self, weights: Float[Tensor, "c d"]) -> None:
        self.weights = weights

    def novel_weights(
        self, reading: Float[Tensor, "e n d"], classes: Int[Tensor, "e n"], shots: int
    ) -> Float[Tensor, "e n d"]:
        """w_c of every class, not normalised."""
        return reading + self.weights[classes] / shots

    def classify(self, reading: Float[Tensor, "e n d"], classes: Int[Tensor, "e n"], shots: int) -> LinearClassifiers:
        """See `ReadsSupports`."""
        return LinearClassifiers(F.normalize(self.novel_weights(reading, classes, shots), dim=-1), cosine=True)
