"""The encoder of a finished training: its weights, in an encoder as it was built; nothing is trained here."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from syntrans_training import backbones
from syntrans_training.engine import checkpoint
from syntrans_training.engine.run_files import DISTILL, ENCODER

OpenedEncoder = tuple[nn.Module, dict[str, Any]]  # an encoder, and the note of its file


def encoder_file(*, distilled: bool) -> str:
    """The file of a run folder whose encoder the features come from."""
    return DISTILL if distilled else ENCODER


def open_encoder(path: Path, built: nn.Module, device: torch.device) -> OpenedEncoder:
    """`built` with the weights of a file, on the device, and the file's note."""
    tensors, note = checkpoint.load(path)
    built.load_state_dict(checkpoint.part(tensors, "encoder"))
    return backbones.place(built, device), note
