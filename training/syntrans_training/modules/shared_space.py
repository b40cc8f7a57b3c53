"""The space in which pictures and texts meet: where classifier weights are made and compared.

    z = A (phi(x) - m),    phi(x) = norm(sign(x) |x|^p)

A diagonalises two covariances of the base classes at once: pictures around their class mean become I, class means
around what the text predicts of them become diag(1 / precision). Supports are then evidence of precision K in every
direction, and the text evidence of `precision`, which is all that fusion has to know (modules/fusion.py). This is the
two-covariance model of Ioffe, "Probabilistic Linear Discriminant Analysis" (ECCV 2006), with means predicted from text.
Derived, docs/method.md (19): published is only that linear maps bring both modalities into one space. p is the power
transform of Yang, Liu, Xu, "Free Lunch for Few-shot Learning" (ICLR 2021).
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from syntrans_training.modules.whiten import class_means

MOST = 640  # directions of the shared space: as many as ResNet-12's features have


@dataclass(frozen=True)
class Phi:
    """phi(x) - m: fixed, so that it is computed once per split; of long features along the r directions of `basis`.

    phi is the power transform of Yang, Liu, Xu, "Free Lunch for Few-shot Learning: Distribution Calibration" (ICLR
    2021, https://arxiv.org/abs/2101.06395), of features of any sign and to unit length. `power` 1 leaves them as they
    are but for the length.
    """

    power: float
    mean: Float[Tensor, " d"]
    basis: Float[Tensor, "d r"] | None = None

    def __call__(self, features: Float[Tensor, "n d"]) -> Float[Tensor, "n r"]:
        """Centred unit features."""
        centred = _unit_power(features, self.power) - self.mean
        return centred if self.basis is None else centred @ self.basis


def fit_phi(features: Float[Tensor, "n d"], labels: Int[Tensor, " n"], *, power: float, most: int = MOST) -> Phi:
    """Centre on the mean of the base class means; of more than `most` numbers the leading directions are kept.

    Those are the eigenvectors of the covariance of the base pictures. A head's time grows with the cube of the length.
    """
    whole = Phi(power, class_means(_unit_power(features, power), labels).mean(0))
    if features.shape[1] <= most:
        return whole
    centred = whole(features)
    _, vectors = torch.linalg.eigh(centred.T @ centred)
    return Phi(power, whole.mean, vectors[:, -most:].contiguous())


def _unit_power(features: Float[Tensor, "n d"], power: float) -> Float[Tensor, "n d"]:
    return F.normalize(features.sign() * features.abs() ** power, dim=-1)


def within_covariance(features: Float[Tensor, "n d"], labels: Int[Tensor, " n"]) -> Float[Tensor, "d d"]:
    """Covariance of pictures around their class mean, each class counting the same."""
    means = class_means(features, labels)
    share = torch.bincount(labels).to(features.dtype)[labels] * len(means)
    residual = (features - means[labels]) / share.sqrt().unsqueeze(1)
    return residual.T @ residual


def shrink(covariance: Float[Tensor, "d d"], amount: float) -> Float[Tensor, "d d"]:
    """Pulled towards a sphere of the same trace; `amount` 0 leaves it as it is."""
    sphere = covariance.diagonal().mean() * torch.eye(len(covariance), dtype=covariance.dtype)
    return (covariance + amount * sphere) / (1 + amount)


@dataclass(frozen=True)
class Metric:
    """A [d, d], and the precision of what the text predicts in each of its directions, in units of one picture's.

    Ioffe, "Probabilistic Linear Discriminant Analysis" (ECCV 2006), with class means predicted from text. `transform`
    takes rows by x A^T; precisions are positive and fall.
    """

    transform: Float[Tensor, "d d"]
    precision: Float[Tensor, " d"]

    def scaled(self, noise: float) -> "Metric":
        """The metric where pictures scatter `noise` times as much around their class mean."""
        return Metric(self.transform / noise**0.5, self.precision * noise)


def diagonalise(within: Float[Tensor, "d d"], between: Float[Tensor, "d d"]) -> Metric:
    """A with A within A^T = I and A between A^T = diag(1 / precision), precisions falling.

    Computed in double precision; raises `torch.linalg.LinAlgError` where `within` is not positive definite.
    """
    factor = torch.linalg.cholesky(within.double())
    half = torch.linalg.solve_triangular(factor, between.double(), upper=False)
    inner = torch.linalg.solve_triangular(factor, half.mT, upper=False)
    values, vectors = torch.linalg.eigh((inner + inner.mT) / 2)
    transform = torch.linalg.solve_triangular(factor.mT, vectors, upper=True).mT
    return Metric(transform.float(), (1 / values.clamp(min=1e-6)).float())
