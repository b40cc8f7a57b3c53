"""Features of augmented views of a split, for the baselines that take those as supports."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from syntrans_training.baselines.registry import BASELINES
from syntrans_training.data import Split
from syntrans_training.encoder import features


def view_stage(
    encoder: nn.Module,
    note: Mapping[str, Any],
    split: Split,
    device: torch.device,
    size: int,
    *,
    names: Sequence[str],
    views: int,
    seed: int,
) -> Tensor | None:
    """Cached features [n, V, d] of `views` augmented views of a split; None where no baseline of `names` takes any."""
    if split.given is not None or not views or not any(BASELINES[name].on_views for name in names):
        return None
    extraction = features.Extraction(note["weights"], device, note["precision"])
    return features.extract_views(encoder, split, extraction, n_views=views, seed=seed, size=size)
