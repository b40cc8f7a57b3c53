"""FS-KTN's rule: the mean support plus 1/K times the weight that the text predicts, however many supports there are.

Peng et al., "Few-Shot Image Recognition with Knowledge Transfer" (ICCV 2019), as its authors' code
has it: w_c = mean_k norm(z_k) + (5 / (N * K)) * w^s_c, which is 1/K for five ways; scores by cosine.
The additive fusion of docs/method.md (25) is made after it. What we do differently: w^s comes from the bridge's ridge
map in place of their graph network.
"""

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from syntrans_training.methods.base import LinearClassifiers, LinearMethod


class KnowledgeTransfer(LinearMethod):
    """FS-KTN (Peng et al., ICCV 2019).

    Args: weights: [C, d], the unit weights that the text predicts for the split's classes.
    """

    def __init__(self, weights: Float[Tensor, "c d"]) -> None:
        self.weights = weights

    def novel_weights(self, support: Float[Tensor, "e n k d"], classes: Int[Tensor, "e n"]) -> Float[Tensor, "e n d"]:
        """w_c of every class, not normalised."""
        return F.normalize(support, dim=-1).mean(2) + self.weights[classes] / support.shape[2]

    def classifiers(self, support: Float[Tensor, "e n k d"], classes: Int[Tensor, "e n"]) -> LinearClassifiers:
        """See `LinearMethod.classifiers`."""
        return LinearClassifiers(F.normalize(self.novel_weights(support, classes), dim=-1), cosine=True)
