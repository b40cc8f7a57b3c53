"""Encoders: a tower behind its normalisation, from pictures `[B, 3, H, W]` in [0, 1] to features `[B, feature_dim]`."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from syntrans_training.backbones.conv4 import Conv4
from syntrans_training.backbones.resnet12 import NARROW_WIDTHS, TINY_WIDTHS, WIDTHS, ResNet12
from syntrans_training.backbones.towers import Tower, is_tower, open_tower

RESNETS = {"resnet12": WIDTHS, "resnet12-narrow": NARROW_WIDTHS, "resnet12-tiny": TINY_WIDTHS}

# Means and deviations of natural pictures (ImageNet).
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


class Encoder(nn.Module):
    """Normalises pictures, then applies `tower`, which takes only pictures of side `size` if that is given.

    The constants are buffers: a checkpoint carries the normalisation that its weights were trained with.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        tower: nn.Module,
        *,
        feature_dim: int,
        mean: tuple[float, ...] = MEAN,
        std: tuple[float, ...] = STD,
        size: int | None = None,
    ) -> None:
        super().__init__()
        self.tower, self.feature_dim, self.size = tower, feature_dim, size
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b d"]:
        """Features of pictures with values in [0, 1]."""
        features: Tensor = self.tower(((x - self.mean) / self.std).contiguous(memory_format=torch.channels_last))
        return features


def build(
    name: str,
    *,
    size: int = 84,
    drop_rate: float = 0.0,
    drop_block: int = 5,
    drop_ramp_steps: int = 40_000,
    mean: tuple[float, ...] = MEAN,
    std: tuple[float, ...] = STD,
) -> Encoder:
    """The named encoder with fresh weights, or as its folder holds it (`towers.py`).

    `size` is the side of its pictures, on which Conv-4's features depend. Towers bring their own `mean` and `std`.
    Raises `ValueError` listing the known names.
    """
    if is_tower(name):
        return _behind_normalisation(open_tower(name))
    if name == "conv4":
        return Encoder(Conv4(), feature_dim=64 * (size // 16) ** 2, mean=mean, std=std)
    if name not in RESNETS:
        raise ValueError(f"unknown backbone {name!r}; known: {', '.join(['conv4', *sorted(RESNETS)])}")
    tower = ResNet12(RESNETS[name], drop_rate=drop_rate, block_size=drop_block, drop_ramp_steps=drop_ramp_steps)
    return Encoder(tower, feature_dim=tower.feature_dim, mean=mean, std=std)


def build_trained(name: str) -> Encoder:
    """The encoder of a `timm:` or `open_clip:` name, never with fresh weights; `ModelLoadError` without."""
    return _behind_normalisation(open_tower(name, trained=True))


def _behind_normalisation(whole: Tower) -> Encoder:
    return Encoder(whole.model, feature_dim=whole.feature_dim, mean=whole.mean, std=whole.std, size=whole.size)


def place(module: nn.Module, device: torch.device) -> nn.Module:
    """The module on `device`, weights in channels_last (the quick layout for convolutions everywhere)."""
    moved: nn.Module = module.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return moved
