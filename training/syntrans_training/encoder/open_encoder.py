"""The encoder of a finished training, or a fresh one of a config; nothing is trained here."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from syntrans.errors import UsageError
from syntrans_training import backbones
from syntrans_training.config import EncoderConfig
from syntrans_training.engine import checkpoint
from syntrans_training.engine.run_files import DISTILL, ENCODER

TrainedEncoder = tuple[nn.Module, dict[str, Any]]  # an encoder, and the note of its file


def encoder_file(*, distilled: bool) -> str:
    """The file of a run folder whose encoder the features come from."""
    return DISTILL if distilled else ENCODER


def open_encoder(folder: Path, config: EncoderConfig, device: torch.device, file: str = ENCODER) -> TrainedEncoder:
    """The encoder of a run folder (as `file` has it), on the device, and its note."""
    tensors, note = checkpoint.load(folder / file)
    if config.method == "precomputed":
        return nn.Identity(), note
    encoder = build_encoder(config)
    encoder.load_state_dict(checkpoint.part(tensors, "encoder"))
    return backbones.place(encoder, device), note


def build_encoder(config: EncoderConfig, *, steps: int = 1) -> backbones.Encoder:
    """The configured encoder with fresh weights, for a training of so many steps.

    Raises `UsageError` when it does not take pictures of the configured sizes.
    """
    encoder = backbones.build(
        config.backbone,
        size=config.train_size,
        drop_rate=config.drop_rate,
        drop_block=config.drop_block,
        drop_ramp_steps=config.drop_ramp_steps or max(1, steps // 2),
        mean=config.normalise.mean,
        std=config.normalise.std,
    )
    sizes = {config.test_size} if config.method == "frozen" else {config.train_size, config.test_size}
    if encoder.size and sizes != {encoder.size}:
        raise UsageError(
            f"{config.backbone} takes pictures of {encoder.size} px; set encoder.train_size, encoder.test_size and "
            f"data.size to {encoder.size}"
        )
    return encoder
