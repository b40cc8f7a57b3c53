"""Semantic-to-visual ridge map: from a class vector to the class's visual mean.

METHOD.md section 1.5 (i): with base class vectors S [C, k] and visual class means W [C, d],
    M(S) = W_mean + (S - S_mean) (S0^T S0 + lambda I)^-1 S0^T W0,   S0 = S - S_mean, W0 = W - W_mean.
Solved in the dual form, S0^T (S0 S0^T + lambda I)^-1 W0, since there are fewer classes than dimensions.
Derived: the intercept (centring by the base means), so that an uninformative text predicts the mean base class, and
lambda in units of the mean squared norm of S0's rows, so that one grid fits every text encoder.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Ridge:
    """A fitted map: class vectors [n, k] to visual class means [n, d]."""

    weight: Float[Tensor, "k d"]
    mean_in: Float[Tensor, " k"]
    mean_out: Float[Tensor, " d"]

    def __call__(self, s: Float[Tensor, "n k"]) -> Float[Tensor, "n d"]:
        """Predicted visual means."""
        return (s - self.mean_in) @ self.weight + self.mean_out


def fit_ridge(s: Float[Tensor, "c k"], w: Float[Tensor, "c d"], *, lam: float) -> Ridge:
    """Fit the map on pairs of class vectors and visual means; `lam` > 0, relative to the spread of `s`."""
    if lam <= 0:
        raise ValueError(f"lambda must be positive, got {lam}")
    s, w = s.double(), w.double()
    mean_in, mean_out = s.mean(0), w.mean(0)
    s0, w0 = s - mean_in, w - mean_out
    scale = s0.square().sum(1).mean().clamp(min=1e-12)
    gram = s0 @ s0.T + lam * scale * torch.eye(len(s), dtype=s.dtype)
    weight = s0.T @ torch.linalg.solve(gram, w0)
    return Ridge(weight.float(), mean_in.float(), mean_out.float())
