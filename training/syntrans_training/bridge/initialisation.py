"""Where the bridge starts: its closed form, and the settings of that which val prefers.

The shared space (power, shrinkage, noise) is chosen once for all kinds of text, with the maps' start by turns; then
each kind of text gets the start of its own maps. No weights are trained here (head_training.py).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from syntrans_training.episodes.sampler import Episodes
from syntrans_training.methods import SynTrans
from syntrans_training.modules.ridge import leave_one_out
from syntrans_training.modules.shared_space import Metric, Phi, diagonalise, fit_phi, shrink, within_covariance
from syntrans_training.modules.vsbird import HeldOutClasses, VSBird
from syntrans_training.modules.whiten import class_means
from syntrans_training.scoring.scored_classifier import ScoredClassifier
from syntrans_training.scoring.scorer import score_episodes
from syntrans_training.text.class_vectors import NONE

# settings by name -> methods on val features -> accuracy averaged over the numbers of shots
ScoreHeads = Callable[[Mapping[str, SynTrans], Tensor], dict[str, float]]
PASSES = 4  # how often each base class is left out of a metric that heads are trained on


@runtime_checkable
class ClassVectorSource(Protocol):
    """Class vectors of the base classes (`base`) and of val, by variant and name share."""

    def base(self, variant: str, share: float, keep: float, generator: torch.Generator) -> Tensor:
        """[C, s], of a random share `keep` of every class's descriptors."""
        ...

    def val(self, variant: str, share: float) -> Tensor:
        """[C_val, s]."""
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
    """What val decides between."""

    spaces: tuple[SpaceSettings, ...]
    starts: tuple[MapInit, ...]
    alphas: tuple[float, ...]
    middle: MapInit  # what the space is chosen with


def make_grid(
    powers: Sequence[float],
    shrinkages: Sequence[float],
    noises: Sequence[float],
    prior_shrinkages: Sequence[float],
    lambdas: Sequence[float],
    name_shares: Sequence[float],
    alphas: Sequence[float],
) -> Grid:
    """All combinations."""
    spaces = tuple(SpaceSettings(*values) for values in product(powers, shrinkages, noises))
    starts = tuple(MapInit(p, lam, share) for share, p, lam in product(name_shares, prior_shrinkages, lambdas))
    middle = MapInit(prior_shrinkages[len(prior_shrinkages) // 2], lambdas[len(lambdas) // 2], name_shares[0])
    return Grid(spaces, starts, tuple(alphas), middle)


@dataclass(frozen=True)
class RawFeatures:
    """Raw features of the base and val pictures, the base labels, and the number of val classes."""

    base: Float[Tensor, "n d"]
    labels: Int[Tensor, " n"]
    val: Float[Tensor, "m d"]
    n_val: int


@dataclass(frozen=True)
class TransformedFeatures:
    """phi of the base and val pictures, the base labels, and what their means are."""

    base: Float[Tensor, "n d"]
    labels: Int[Tensor, " n"]
    val: Float[Tensor, "m d"]
    means: Float[Tensor, "c d"]


def accuracies(
    methods: Mapping[str, SynTrans], val: Float[Tensor, "m d"], *, tasks: Mapping[int, Episodes], n_classes: int
) -> dict[str, float]:
    """Of methods on val features, averaged over the numbers of shots of `tasks`."""
    rows = {name: ScoredClassifier((method,), val) for name, method in methods.items()}
    found = [score_episodes(rows, part, n_classes=n_classes, chunk=250) for part in tasks.values()]
    return {name: float(sum(o[name].accuracy.mean() for o in found)) / len(found) for name in rows}


def fit_metric(
    features: TransformedFeatures, text: Float[Tensor, "c s"], space: SpaceSettings, start: MapInit
) -> Metric:
    """From the covariances of base pictures and of what the text does not predict of their classes."""
    missed = features.means - leave_one_out(text, features.means, lam=start.lam)
    within = space.noise * shrink(within_covariance(features.base, features.labels), space.shrinkage)
    return diagonalise(within, shrink(missed.T @ missed / len(missed), start.prior_shrinkage))


def closed_form(
    features: TransformedFeatures, text: Float[Tensor, "c s"], space: SpaceSettings, start: MapInit, **parts: Any
) -> VSBird:
    """The head before any training."""
    return VSBird(fit_metric(features, text, space, start), features.means, text, lam=start.lam, **parts)


def held_out_metrics(
    features: TransformedFeatures,
    text: Float[Tensor, "c s"],
    space: SpaceSettings,
    start: MapInit,
    *,
    size: int,
    seed: int = 0,
) -> tuple[HeldOutClasses, ...]:
    """Metrics without `size` classes each, every class being left out about equally often; the same for a seed.

    A metric that has seen a class's mean leaves it the directions in which it stands out from its text, so tasks of
    that class would be far easier than those of a new one.
    """
    n, generator = len(features.means), torch.Generator().manual_seed(seed)
    size = min(size, n // 2)
    orders = [torch.randperm(n, generator=generator) for _ in range(PASSES)]
    left_out = [part for order in orders for part in torch.split(order, size) if len(part) == size]
    left_out = left_out[: max(8, 2048 // n)]  # 32 of 64 classes; fewer of many, whose maps cost more and vary less
    found = []
    for classes in left_out:
        held_out_mask = torch.zeros(n, dtype=torch.bool).scatter(0, classes, value=True)
        found.append(
            HeldOutClasses(
                held_out_mask, fit_metric(_without(features, held_out_mask), text[~held_out_mask], space, start)
            )
        )
    return tuple(found)


def _without(features: TransformedFeatures, held_out_mask: Bool[Tensor, " c"]) -> TransformedFeatures:
    kept = ~held_out_mask[features.labels]
    place = (~held_out_mask).cumsum(0) - 1
    return replace(
        features, base=features.base[kept], labels=place[features.labels[kept]], means=features.means[~held_out_mask]
    )


def full_class_vectors(texts: ClassVectorSource, variant: str, share: float) -> Tensor:
    """Class vectors of the base classes from all of their descriptors."""
    return texts.base(variant, share, 1.0, torch.Generator())


def transform_features(raw: RawFeatures, power: float) -> tuple[Phi, TransformedFeatures]:
    """The pictures with that power transform, and the transform."""
    phi = fit_phi(raw.base, raw.labels, power=power)
    base = phi(raw.base)
    return phi, TransformedFeatures(base, raw.labels, phi(raw.val), class_means(base, raw.labels))


def best_settings_per_noise(
    raw: RawFeatures, texts: ClassVectorSource, variant: str, grid: Grid, scores: ScoreHeads, *, fusion: str
) -> list[tuple[SpaceSettings, MapInit]]:
    """The best space and start for each noise: which noise is best, only training tells (head_training.py).

    Space and start are chosen by turns, twice: each is good for the other's choice.
    """
    found = []
    for noise in dict.fromkeys(space.noise for space in grid.spaces):
        spaces, start = [space for space in grid.spaces if space.noise == noise], grid.middle
        for _ in range(2):
            space = _choose_space(raw, texts, variant, spaces, start, scores, fusion=fusion)
            _, features = transform_features(raw, space.power)
            start = choose_map_init(features, space, texts, variant, grid.starts, scores, fusion=fusion)
        found.append((space, start))
    return found


def _choose_space(
    raw: RawFeatures,
    texts: ClassVectorSource,
    variant: str,
    choices: Sequence[SpaceSettings],
    start: MapInit,
    scores: ScoreHeads,
    *,
    fusion: str,
) -> SpaceSettings:
    text = full_class_vectors(texts, variant, start.name_share), texts.val(variant, start.name_share)
    found: dict[SpaceSettings, float] = {}
    for power in dict.fromkeys(space.power for space in choices):
        _, features = transform_features(raw, power)
        spaces = [space for space in choices if space.power == power]
        methods = {
            str(i): SynTrans(_without_training(features, text[0], space, start, fusion), text[1], alpha=0.5)
            for i, space in enumerate(spaces)
        }
        found |= dict(zip(spaces, scores(methods, features.val).values(), strict=True))
    return max(found, key=found.__getitem__)


def choose_map_init(
    features: TransformedFeatures,
    space: SpaceSettings,
    texts: ClassVectorSource,
    variant: str,
    starts: Sequence[MapInit],
    scores: ScoreHeads,
    *,
    fusion: str,
) -> MapInit:
    """The start of a variant's maps in a given space."""
    if variant in (NONE, "name"):  # nothing, or nothing else, to share with the name
        starts = [start for start in starts if start.name_share == starts[0].name_share]
    methods = {
        str(i): SynTrans(
            _without_training(features, full_class_vectors(texts, variant, start.name_share), space, start, fusion),
            texts.val(variant, start.name_share),
            alpha=0.5,
        )
        for i, start in enumerate(starts)
    }
    found = scores(methods, features.val)
    return starts[int(max(found, key=found.__getitem__))]


def _without_training(
    features: TransformedFeatures, text: Tensor, space: SpaceSettings, start: MapInit, fusion: str
) -> VSBird:
    return closed_form(features, text, space, start, generator=False, residual=False, gate=False, fusion=fusion)
