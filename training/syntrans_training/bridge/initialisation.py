"""Closed-form initialisation of the bridge: its settings, and the head that they make before any training."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from syntrans_training.modules.shared_space import Metric, Phi, diagonalise, fit_phi, shrink, within_covariance
from syntrans_training.modules.solvers.ridge import leave_one_out
from syntrans_training.modules.vsbird import VSBird
from syntrans_training.modules.whiten import class_means


@runtime_checkable
class ClassVectorSource(Protocol):
    """Class vectors of the base classes (`base`) and of val, by variant and name share."""

    def base(self, variant: str, share: float, keep: float, generator: torch.Generator) -> Tensor:
        """[C, s], of a random share `keep` of every class's descriptors."""
        ...

    def val(self, variant: str, share: float) -> Tensor:
        """Class vectors of the val classes, [C_val, s]."""
        ...


@dataclass(frozen=True)
class SpaceSettings:
    """How the shared space is made; `noise` multiplies the spread of base pictures, since novel ones scatter more."""

    power: float
    shrinkage: float
    noise: float


@dataclass(frozen=True)
class MapInit:
    """Where the maps of a variant start: shrinkage of the text's errors, lambda, share of the class name."""

    prior_shrinkage: float
    lam: float
    name_share: float


@dataclass(frozen=True)
class Grid:
    """The settings of space and maps, and the alphas, that val decides between."""

    spaces: tuple[SpaceSettings, ...]
    starts: tuple[MapInit, ...]
    alphas: tuple[float, ...]
    middle: MapInit  # what the space is chosen with


def make_grid(
    *,
    powers: Sequence[float],
    shrinkages: Sequence[float],
    noises: Sequence[float],
    prior_shrinkages: Sequence[float],
    lambdas: Sequence[float],
    name_shares: Sequence[float],
    alphas: Sequence[float],
) -> Grid:
    """The Cartesian product of all settings."""
    spaces = tuple(SpaceSettings(*values) for values in product(powers, shrinkages, noises))
    starts = tuple(MapInit(p, lam, share) for share, p, lam in product(name_shares, prior_shrinkages, lambdas))
    middle = MapInit(prior_shrinkages[len(prior_shrinkages) // 2], lambdas[len(lambdas) // 2], name_shares[0])
    return Grid(spaces, starts, tuple(alphas), middle)


@dataclass(frozen=True)
class RawFeatures:
    """Raw features of the base and val pictures, and the base labels."""

    base: Float[Tensor, "n d"]
    labels: Int[Tensor, " n"]
    val: Float[Tensor, "m d"]


@dataclass(frozen=True)
class TransformedFeatures:
    """phi of the base and val pictures, the base labels, and what their means are."""

    base: Float[Tensor, "n d"]
    labels: Int[Tensor, " n"]
    val: Float[Tensor, "m d"]
    means: Float[Tensor, "c d"]

    @cached_property
    def residuals(self) -> Float[Tensor, "n d"]:
        """Base pictures around their class means."""
        return self.base - self.means[self.labels]


FeaturesOfPower = Callable[[float], tuple[Phi, TransformedFeatures]]  # `transform_features`, computed once


def fit_metric(
    features: TransformedFeatures, text: Float[Tensor, "c s"], space: SpaceSettings, start: MapInit
) -> Metric:
    """From the covariances of base pictures and of what the text does not predict of their classes."""
    within = space.noise * shrink(within_covariance(features.base, features.labels), space.shrinkage)
    return diagonalise(within, missed_covariance(features.means, text, start))


def missed_covariance(means: Float[Tensor, "c d"], text: Float[Tensor, "c s"], start: MapInit) -> Float[Tensor, "d d"]:
    """Of class means around what the text predicts of each from the other classes."""
    missed = means - leave_one_out(text, means, lam=start.lam)
    return shrink(missed.T @ missed / len(missed), start.prior_shrinkage)


def closed_form(
    features: TransformedFeatures, text: Float[Tensor, "c s"], space: SpaceSettings, start: MapInit, **parts: Any
) -> VSBird:
    """The head before any training."""
    return VSBird(fit_metric(features, text, space, start), features.means, text, lam=start.lam, **parts)


def full_class_vectors(texts: ClassVectorSource, variant: str, share: float) -> Tensor:
    """Class vectors of the base classes from all of their descriptors."""
    return texts.base(variant, share, 1.0, torch.Generator())


def transform_features(raw: RawFeatures, power: float) -> tuple[Phi, TransformedFeatures]:
    """The pictures with that power transform, and the transform."""
    phi = fit_phi(raw.base, raw.labels, power=power)
    base = phi(raw.base)
    return phi, TransformedFeatures(base, raw.labels, phi(raw.val), class_means(base, raw.labels))
