"""Eigendecomposition of the within-class covariance: in its basis every shrinkage and noise is a diagonal.

One eigendecomposition for each power serves all settings of the shared space (modules/closed_form.py).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from syntrans_training.bridge.initialisation import SpaceSettings, TransformedFeatures
from syntrans_training.modules.shared_space import within_covariance


@dataclass(frozen=True)
class Spectrum:
    """The eigenvalues of the within-class covariance, and the base classes' means and the val pictures there."""

    variances: Float[Tensor, " d"]
    means: Float[Tensor, "c d"]
    val: Float[Tensor, "m d"]

    def within(self, space: SpaceSettings) -> Float[Tensor, " d"]:
        """The covariance of `initialisation.fit_metric`, which is a diagonal here."""
        amount = space.shrinkage
        return space.noise * (self.variances + amount * self.variances.mean()) / (1 + amount)


def decompose(features: TransformedFeatures) -> Spectrum:
    """The spectrum of pictures with one power transform."""
    values, axes = torch.linalg.eigh(within_covariance(features.base, features.labels).double())
    axes = axes.float()
    return Spectrum(values.clamp(min=0).float(), features.means @ axes, features.val @ axes)
