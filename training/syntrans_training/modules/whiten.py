"""Standardised visual features: unit, whitened by the within-class spread of the base classes, unit again.

    x -> norm(A (norm(x) - m)),    A = (S_w + r * mean_eigenvalue(S_w) * I)^-1/2

m is the mean of the base class means and S_w the within-class covariance of the base classes, each class counting the
same. Directions in which pictures of one class differ are shrunk, which is what nearest-centroid assumes; the limit of
a large r is the centring of Wang et al., "SimpleShot" (arXiv 1911.04623). With `shrinkage=None` x is only made unit.
Derived, docs/method.md (18): r is chosen on val, None among the candidates.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Whitening:
    """A fitted standardisation of features [n, d]: docs/method.md (18), derived.

    Its limit is the centring of Wang, Chao, Weinberger, van der Maaten, "SimpleShot: Revisiting Nearest-Neighbor
    Classification for Few-Shot Learning" (https://arxiv.org/abs/1911.04623).
    """

    mean: Float[Tensor, " d"]
    matrix: Float[Tensor, "d d"]

    def __call__(self, features: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """Unit features."""
        return F.normalize((F.normalize(features, dim=-1) - self.mean) @ self.matrix, dim=-1)


def class_means(features: Float[Tensor, "n d"], labels: Int[Tensor, " n"]) -> Float[Tensor, "c d"]:
    """Mean feature of every class 0..C-1; every class must occur."""
    counts = torch.bincount(labels).to(features.dtype)
    sums = torch.zeros(len(counts), features.shape[1], dtype=features.dtype).index_add_(0, labels, features)
    return sums / counts.unsqueeze(1)


def fit_whitening(features: Float[Tensor, "n d"], labels: Int[Tensor, " n"], *, shrinkage: float | None) -> Whitening:
    """Fit on base features; `shrinkage` r > 0 is relative to the mean eigenvalue, None only normalises.

    `ValueError` for a shrinkage that is not positive.
    """
    return fit_whitenings(features, labels, (shrinkage,))[0]


def fit_whitenings(
    features: Float[Tensor, "n d"], labels: Int[Tensor, " n"], shrinkages: Sequence[float | None]
) -> list[Whitening]:
    """`fit_whitening` with each shrinkage, from one decomposition."""
    wrong = [r for r in shrinkages if r is not None and r <= 0]
    if wrong:
        raise ValueError(f"shrinkage must be positive (or None for no whitening), got {wrong[0]}")
    plain = Whitening(torch.zeros(features.shape[1]), torch.eye(features.shape[1]))
    if all(r is None for r in shrinkages):
        return [plain] * len(shrinkages)
    unit = F.normalize(features, dim=-1).double()
    means = class_means(unit, labels)
    weights = 1 / torch.bincount(labels)[labels].double() / len(means)
    residual = (unit - means[labels]) * weights.sqrt().unsqueeze(1)
    spreads, directions = _spreads(residual)
    mean, identity = spreads.sum() / features.shape[1], torch.eye(features.shape[1], dtype=torch.double)

    def whitening(shrinkage: float) -> Whitening:
        scale = (spreads.clamp(min=0) + shrinkage * mean).rsqrt()
        if len(scale) == len(identity):
            matrix = (directions * scale) @ directions.T
        else:
            elsewhere = (shrinkage * mean).rsqrt()  # along all other directions no picture differs from its class
            matrix = elsewhere * identity + (directions * (scale - elsewhere)) @ directions.T
        return Whitening(means.mean(0).float(), matrix.float())

    return [plain if r is None else whitening(r) for r in shrinkages]


def _spreads(residual: Float[Tensor, "n d"]) -> tuple[Float[Tensor, " r"], Float[Tensor, "d r"]]:
    """Eigenvalues and -vectors of the covariance: all, or of long features of few pictures those that are not 0."""
    if len(residual) < residual.shape[1]:
        _, singular, rows = torch.linalg.svd(residual, full_matrices=False)
        return singular.square(), rows.T
    values, vectors = torch.linalg.eigh(residual.T @ residual)
    return values, vectors
