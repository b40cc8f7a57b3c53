"""Logistic regression on the supports of each episode, all episodes at once (modules/solvers/logistic.py).

The protocol of Tian et al., "Rethinking Few-Shot Image Classification" (RFS, arXiv 2003.11539) and of SKD (arXiv
2006.09785): unit features, L2 penalty with C = 1, supports replaced by augmented views of them (`Row.support_views`).
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from syntrans_training.methods.base import LinearClassifiers, LinearMethod
from syntrans_training.modules.solvers.logistic import fit_logistic


class LogisticRegression(LinearMethod):
    """The classifier of RFS (Tian et al., ECCV 2020, arXiv 2003.11539) and of SKD (arXiv 2006.09785).

    Args: c: inverse strength of the L2 penalty, as in scikit-learn; normalise: unit features, as RFS and SKD do.
    """

    def __init__(self, c: float = 1.0, *, normalise: bool = True) -> None:
        if c <= 0:
            raise ValueError(f"C must be positive, got {c}")
        self.c, self.normalise = c, normalise

    def classifiers(self, support: Float[Tensor, "e n k d"], classes: Int[Tensor, "e n"]) -> LinearClassifiers:  # noqa: ARG002 - protocol
        """See `LinearMethod.classifiers`."""
        _episodes, ways, shots, _d = support.shape
        flat = (F.normalize(support, dim=-1) if self.normalise else support).flatten(1, 2)
        targets = torch.eye(ways, dtype=flat.dtype, device=flat.device).repeat_interleave(shots, 1)
        coefficients, intercepts = fit_logistic(flat @ flat.mT, targets, c=self.c)
        return LinearClassifiers(coefficients @ flat, intercepts, cosine=self.normalise)
