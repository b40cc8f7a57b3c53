"""Ridge maps between class vectors and visual class means, in either direction.

Hoerl, Kennard, "Ridge Regression: Biased Estimation for Nonorthogonal Problems" (Technometrics 12, 1970), as
docs/method.md (20) has it: with base class vectors S [C, k] and visual class means W [C, d],
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

_NOTHING = 1e-12  # a spread of texts below this is none


@dataclass(frozen=True)
class Ridge:
    """A fitted map, or one for each of e episodes: class vectors [*e, n, k] to visual class means [*e, n, d].

    See the head of this module for its equation and source.
    """

    weight: Float[Tensor, "*e k d"]
    mean_in: Float[Tensor, "*e k"]
    mean_out: Float[Tensor, "*e d"]

    def __call__(self, s: Float[Tensor, "*b n k"]) -> Float[Tensor, "*e n d"]:
        """Predicted visual means."""
        return (s - self.mean_in.unsqueeze(-2)) @ self.weight + self.mean_out.unsqueeze(-2)


@dataclass(frozen=True)
class DualRidge:
    """`Ridge` by its `texts` S0 and their coefficients: cheaper where there are fewer classes than dimensions.

    Saunders, Gammerman, Vovk, "Ridge Regression Learning Algorithm in Dual Variables" (ICML 1998).
    """

    texts: Float[Tensor, "*e c k"]
    coefficients: Float[Tensor, "*e c d"]
    mean_in: Float[Tensor, "*e k"]
    mean_out: Float[Tensor, "*e d"]

    def __call__(self, s: Float[Tensor, "*b n k"]) -> Float[Tensor, "*e n d"]:
        """Predicted visual means."""
        similar = (s - self.mean_in.unsqueeze(-2)) @ self.texts.mT
        return similar @ self.coefficients + self.mean_out.unsqueeze(-2)


def fit_ridge(
    s: Float[Tensor, "c k"],
    w: Float[Tensor, "c d"],
    *,
    lam: float | Float[Tensor, ""],
    held_out_mask: Bool[Tensor, "*e c"] | None = None,
) -> Ridge:
    """Fit the map on pairs of class vectors and visual means, without the `held_out_mask` classes of each episode.

    `lam` > 0 is in units of the mean squared row of the centred `s`; `ValueError` for one that is not positive.
    Computes in the inputs' precision.
    """
    dual = fit_dual_ridge(s, w, lam=lam, held_out_mask=held_out_mask)
    return Ridge(dual.texts.mT @ dual.coefficients, dual.mean_in, dual.mean_out)


def fit_dual_ridge(
    s: Float[Tensor, "c k"],
    w: Float[Tensor, "c d"],
    *,
    lam: float | Float[Tensor, ""],
    held_out_mask: Bool[Tensor, "*e c"] | None = None,
) -> DualRidge:
    """`fit_ridge` in its dual form."""
    if lam <= 0:
        raise ValueError(f"lambda must be positive, got {float(lam)}")
    present = s.new_ones(len(s)) if held_out_mask is None else (~held_out_mask).to(s.dtype)
    present = present.unsqueeze(-1)  # [*e, c, 1]
    count = present.sum(-2)
    mean_in, mean_out = (s * present).sum(-2) / count, (w * present).sum(-2) / count
    s0, w0 = (s - mean_in.unsqueeze(-2)) * present, (w - mean_out.unsqueeze(-2)) * present
    scale = (s0.square().sum((-2, -1)) / count.squeeze(-1)).clamp(min=_NOTHING)
    penalty = (lam * scale)[..., None, None] * torch.eye(len(s), dtype=s.dtype, device=s.device)
    return DualRidge(s0, torch.linalg.solve(s0 @ s0.mT + penalty, w0), mean_in, mean_out)


class LeaveOneOut:
    """What the maps of any lambda predict of every base class from the others, in closed form (docs/method.md (20a)).

    One eigendecomposition of S0 S0^T serves all lambdas and targets; `fit_ridge` class by class would solve C systems
    for each. Derived: taking a class away changes the scatter S0^T S0 of the centred texts by rank one, and Sherman and
    Morrison give the inverse ("Adjustment of an Inverse Matrix ...", Annals of Mathematical Statistics 21, 1950).

    Args:
        s: [C, k] class vectors of C >= 2 base classes.
    """

    def __init__(self, s: Float[Tensor, "c k"]) -> None:
        s0 = s.double() - s.double().mean(0)
        values, self._vectors = torch.linalg.eigh(s0 @ s0.T)
        self._values, n = values.clamp(min=0), len(s)
        self._factor = n / (n - 1)
        rest = self._values.sum() - self._factor * s0.square().sum(1)
        self._spread = (rest / (n - 1)).clamp(min=_NOTHING)  # of the texts of the other classes
        self._differ = (rest > 1e-9 * self._values.sum()).unsqueeze(1)  # more than by rounding

    def __call__(self, w: Float[Tensor, "c d"], *, lam: float) -> Float[Tensor, "c d"]:
        """Predictions of `w`, in its precision; computed in double precision."""
        mean, factor = w.double().mean(0), self._factor
        w0 = w.double() - mean
        share = self._vectors * (self._values / (self._values + lam * self._spread.unsqueeze(1)))
        own = (share * self._vectors).sum(1, keepdim=True)
        deviation = factor * (share @ (self._vectors.T @ w0) - factor * own * w0) / (1 - factor * own)
        # Where the others have one text only, they tell nothing but their mean.
        deviation = deviation.where(self._differ, 0.0)
        predictions: Tensor = mean - w0 / (len(w) - 1) + deviation
        return predictions.to(w.dtype)


def leave_one_out(s: Float[Tensor, "c k"], w: Float[Tensor, "c d"], *, lam: float) -> Float[Tensor, "c d"]:
    """What the map predicts of every base class from the others."""
    return LeaveOneOut(s)(w, lam=lam)
