"""The inverse of a diagonal matrix plus one of low rank, by the identity of Woodbury (1950); docs/method.md (23a).

    (diag(a) + c R^T R)^-1 = diag(h) - F^T F,    h = 1 / a,    F = L^-1 R diag(h),    L L^T = I / c + R diag(h) R^T

With r rows in R it takes r^2 d operations, and n r d for n vectors; the full matrix takes d^3, and n d^2.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class LowRankInverse:
    """diag(`diagonal`) - `factor`^T `factor`, as Woodbury's identity gives it: symmetric, applied to rows.

    Woodbury, "Inverting modified matrices" (Princeton, Statistical Research Group, Memorandum 42, 1950).
    """

    diagonal: Float[Tensor, " d"]
    factor: Float[Tensor, "r d"]

    def solve(self, x: Float[Tensor, "*b d"]) -> Float[Tensor, "*b d"]:
        """Rows times the inverse."""
        return self.diagonal * x - (x @ self.factor.T) @ self.factor


def invert(diagonal: Float[Tensor, " d"], rows: Float[Tensor, "r d"], scale: float) -> LowRankInverse:
    """The inverse of diag(`diagonal`) + `scale` rows^T rows, for positive `diagonal` and `scale`.

    Computed in double precision, given in that of `diagonal`. Raises `torch.linalg.LinAlgError` where the sum is not
    positive definite.
    """
    h, rows = 1 / diagonal.double(), rows.double()
    lower = torch.linalg.cholesky(torch.eye(len(rows), dtype=h.dtype) / scale + (rows * h) @ rows.T)
    factor = torch.linalg.solve_triangular(lower, rows * h, upper=False)
    return LowRankInverse(h.to(diagonal.dtype), factor.to(diagonal.dtype))
