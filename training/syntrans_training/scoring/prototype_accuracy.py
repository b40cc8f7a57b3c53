"""Accuracy of visual prototypes on episodes: what an encoder and a standardisation are judged by."""

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from syntrans_training.episodes.sampler import Episodes
from syntrans_training.methods import accuracy
from syntrans_training.methods.prototype import prototypes

CHUNK = 500  # episodes in memory at once


def prototype_accuracy(features: Float[Tensor, "n d"], episodes: Mapping[int, Episodes]) -> float:
    """Of unit features, in [0, 1], averaged over the numbers of shots."""
    by_shots = [
        torch.cat([accuracy(prototype_cosines(features, part)[0]) for part in tasks.chunks(CHUNK)]).mean().item()
        for tasks in episodes.values()
    ]
    return float(np.mean(by_shots))


def prototype_cosines(
    features: Float[Tensor, "n d"], part: Episodes
) -> tuple[Float[Tensor, "e m ways"], Float[Tensor, "e ways d"]]:
    """Cosines of queries with visual prototypes, and the prototypes; `features` are of unit length."""
    protos = prototypes(features[torch.from_numpy(part.support)])
    return features[torch.from_numpy(part.query).flatten(1)] @ protos.mT, protos
