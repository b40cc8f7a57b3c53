"""Metrics of the shared space without some base classes: what heads are trained on while those play novel ones.

A metric that has seen a class's mean leaves it the directions in which it stands out from its text, so tasks of that
class would be far easier than those of a new one.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from syntrans.progress import track
from syntrans_training.bridge.initialisation import MapInit, SpaceSettings, TransformedFeatures, missed_covariance
from syntrans_training.engine.devices import thread_pool
from syntrans_training.modules.shared_space import diagonalise, shrink, within_covariance
from syntrans_training.modules.vsbird import HeldOutClasses

PASSES = 4  # how often each base class is left out of a metric that heads are trained on


def held_out_metrics(
    features: TransformedFeatures,
    text: Float[Tensor, "c s"],
    space: SpaceSettings,
    start: MapInit,
    *,
    size: int,
    seed: int = 0,
) -> tuple[HeldOutClasses, ...]:
    """Metrics without `size` classes each, every class being left out about equally often; the same for a seed."""
    whole = within_covariance(features.base, features.labels)

    def fit(held_out_mask: Bool[Tensor, " c"]) -> HeldOutClasses:
        within = space.noise * shrink(_without(features, whole, held_out_mask), space.shrinkage)
        between = missed_covariance(features.means[~held_out_mask], text[~held_out_mask], start)
        return HeldOutClasses(held_out_mask, diagonalise(within, between))

    masks, metrics = _left_out(len(features.means), size, seed), []
    with track("metrics without some classes", len(masks), "metrics") as progress, thread_pool() as pool:
        for one in pool.map(fit, masks):
            metrics.append(one)
            progress.advance()
    return tuple(metrics)


def _left_out(n: int, size: int, seed: int) -> list[Bool[Tensor, " c"]]:
    """The classes that play novel ones together, as masks."""
    generator, size = torch.Generator().manual_seed(seed), min(size, n // 2)
    orders = [torch.randperm(n, generator=generator) for _ in range(PASSES)]
    parts = [part for order in orders for part in torch.split(order, size) if len(part) == size]
    parts = parts[: max(8, 2048 // n)]  # 32 of 64 classes; fewer of many, whose maps cost more and vary less
    return [torch.zeros(n, dtype=torch.bool).scatter(0, part, value=True) for part in parts]


def _without(
    features: TransformedFeatures, whole: Float[Tensor, "d d"], held_out_mask: Bool[Tensor, " c"]
) -> Float[Tensor, "d d"]:
    """The within-class covariance of the other classes: what remains of all classes' without that of these."""
    n, gone = len(held_out_mask), int(held_out_mask.sum())
    rows = held_out_mask[features.labels]
    place = held_out_mask.cumsum(0) - 1
    theirs = within_covariance(features.base[rows], place[features.labels[rows]])
    return (n * whole - gone * theirs) / (n - gone)
