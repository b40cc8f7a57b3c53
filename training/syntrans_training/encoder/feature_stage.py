"""Features of a split by a trained encoder, cached."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from syntrans_training.data import Split
from syntrans_training.encoder import features
from syntrans_training.encoder.features import Features


def feature_stage(
    encoder: nn.Module, note: Mapping[str, Any], split: Split, device: torch.device, size: int
) -> Features:
    """Cached features of a split."""
    extraction = features.Extraction(note["weights"], device, note["precision"])
    return features.extract(encoder, split, extraction, size=size)
