"""Encoders: modules with a `feature_dim` that map images `[B, 3, H, W]` to features `[B, feature_dim]`."""

import torch
from torch import nn

from .resnet12 import NARROW_WIDTHS, TINY_WIDTHS, WIDTHS, ResNet12

BACKBONES = {"resnet12": WIDTHS, "resnet12-narrow": NARROW_WIDTHS, "resnet12-tiny": TINY_WIDTHS}


def build(name: str, *, drop_rate: float = 0.0, drop_ramp_steps: int = 40_000) -> nn.Module:
    """The named encoder with fresh weights; raises `ValueError` listing the known names."""
    if name not in BACKBONES:
        raise ValueError(f"unknown backbone {name!r}; known: {', '.join(sorted(BACKBONES))}")
    return ResNet12(BACKBONES[name], drop_rate=drop_rate, drop_ramp_steps=drop_ramp_steps)


def place(module: nn.Module, device: torch.device) -> nn.Module:
    """The module on `device`, weights in channels_last (the quick layout for convolutions everywhere)."""
    moved: nn.Module = module.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return moved
