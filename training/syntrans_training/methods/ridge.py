"""Ridge regression from supports to their one-hot labels, solved for all episodes at once.

Bertinetto et al., "Meta-learning with differentiable closed-form solvers" (R2-D2, ICLR 2019, arXiv 1805.08136),
equation (6), in the dual form: W = Z^T (Z Z^T + lambda I)^-1 Y with unit supports Z [n*k, d]. No intercept, as there;
the labels are balanced, so a constant would move all classes alike.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from syntrans_training.methods.base import LinearClassifiers, LinearMethod


class RidgeRegression(LinearMethod):
    """The closed-form ridge solver of R2-D2 (Bertinetto et al., ICLR 2019, arXiv 1805.08136).

    Args: lam: > 0, weight of the squared length of W against the squared error.
    """

    def __init__(self, *, lam: float) -> None:
        if lam <= 0:
            raise ValueError(f"lambda must be positive, got {lam}")
        self.lam = lam

    def classifiers(self, support: Float[Tensor, "e n k d"], classes: Int[Tensor, "e n"]) -> LinearClassifiers:  # noqa: ARG002 - protocol
        """See `LinearMethod.classifiers`."""
        _episodes, n, k, _d = support.shape
        z = F.normalize(support, dim=-1).flatten(1, 2)
        labels = torch.eye(n, dtype=z.dtype, device=z.device).repeat_interleave(k, 0)
        gram = z @ z.mT + self.lam * torch.eye(n * k, dtype=z.dtype, device=z.device)
        dual = torch.cholesky_solve(labels.expand(len(z), -1, -1), torch.linalg.cholesky(gram))
        return LinearClassifiers(dual.mT @ z, cosine=True)
