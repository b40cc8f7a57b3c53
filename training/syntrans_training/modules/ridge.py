"""Ridge maps between class vectors and visual class means, in either direction.

docs/method.md (20): with base class vectors S [C, k] and visual class means W [C, d],
    M(S) = W_mean + (S - S_mean) (S0^T S0 + lambda I)^-1 S0^T W0,   S0 = S - S_mean, W0 = W - W_mean.
Solved in the dual form, S0^T (S0 S0^T + lambda I)^-1 W0, since there are fewer classes than dimensions; differentiable.
Classes may be left out, others for each of many episodes: those that play novel ones while a bridge is trained.
Derived: the intercept (centring by the base means), so that an uninformative text predicts the mean base class, and
lambda in units of the mean squared norm of S0's rows, so that one grid fits every text encoder.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor


@dataclass(frozen=True)
class Ridge:
    """A fitted map, or one for each of e episodes: class vectors [*e, n, k] to visual class means [*e, n, d]."""

    weight: Float[Tensor, "*e k d"]
    mean_in: Float[Tensor, "*e k"]
    mean_out: Float[Tensor, "*e d"]

    def __call__(self, s: Float[Tensor, "*b n k"]) -> Float[Tensor, "*e n d"]:
        """Predicted visual means."""
        return (s - self.mean_in.unsqueeze(-2)) @ self.weight + self.mean_out.unsqueeze(-2)


def fit_ridge(
    s: Float[Tensor, "c k"],
    w: Float[Tensor, "c d"],
    *,
    lam: float | Float[Tensor, ""],
    held_out_mask: Bool[Tensor, "*e c"] | None = None,
) -> Ridge:
    """Fit the map on pairs of class vectors and visual means, without the `held_out_mask` classes of each episode.

    `lam` > 0 is relative to the spread of `s`. Computes in the inputs' precision.
    """
    if lam <= 0:
        raise ValueError(f"lambda must be positive, got {float(lam)}")
    present = s.new_ones(len(s)) if held_out_mask is None else (~held_out_mask).to(s.dtype)
    present = present.unsqueeze(-1)  # [*e, c, 1]
    count = present.sum(-2)
    mean_in, mean_out = (s * present).sum(-2) / count, (w * present).sum(-2) / count
    s0, w0 = (s - mean_in.unsqueeze(-2)) * present, (w - mean_out.unsqueeze(-2)) * present
    scale = (s0.square().sum((-2, -1)) / count.squeeze(-1)).clamp(min=1e-12)
    penalty = (lam * scale)[..., None, None] * torch.eye(len(s), dtype=s.dtype, device=s.device)
    weight = s0.mT @ torch.linalg.solve(s0 @ s0.mT + penalty, w0)
    return Ridge(weight, mean_in, mean_out)


def leave_one_out(s: Float[Tensor, "c k"], w: Float[Tensor, "c d"], *, lam: float) -> Float[Tensor, "c d"]:
    """What the map predicts of every base class from the others."""
    alone = torch.eye(len(s), dtype=torch.bool, device=s.device)
    return fit_ridge(s, w, lam=lam, held_out_mask=alone)(s.unsqueeze(1)).squeeze(1)
