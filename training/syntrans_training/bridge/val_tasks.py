"""The val split as choices are made on it: its features and its tasks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from syntrans_training.encoder.features import Features
from syntrans_training.episodes.sampler import Episodes, EpisodeSpec, draw


@dataclass(frozen=True)
class ValSplit:
    """Features of the val split; `seen` [n] marks the pictures that mining looked at, which are no queries.

    `views` [n, V, d]: features of augmented views, where a method takes them as supports.
    """

    features: Features
    seen: NDArray[np.bool_]
    views: Tensor | None = None


def val_episodes(
    val: ValSplit, *, ways: int, shots: Sequence[int], queries: int, episodes: int, seed: int
) -> dict[int, Episodes]:
    """The val episodes that choices are made on, by number of shots."""
    return {
        k: draw(
            EpisodeSpec(ways, k, queries, episodes, seed),
            val.features.labels.numpy(),
            barred=val.seen,
            names=val.features.classes,
        )
        for k in shots
    }
