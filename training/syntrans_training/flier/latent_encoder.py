"""FLIER's latent encoder: "a flexible convolutional neural network with two convolutional layers".

Published: the two convolutions. Derived: everything else (kernels, widths, normalisation, pooling, the last layer, and
that there may be more convolutions). docs/method.md (40).
"""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

_CELLS = 4  # side of what the last layer reads
_GROUPS = 8


class LatentEncoder(nn.Module):
    """Zhou, Zhou, Pan, "FLIER: Few-shot Language Image Models Embedded with Latent Representations" (2024).

    https://arxiv.org/abs/2410.07648. Scaled latents [n, c, h, w] to unit vectors [n, d] in CLIP's space.

    A convolution halves the side only where at least 4x4 cells are left, so that 64x64 latents of Stable Diffusion and
    8x8 latents are both read. `depth` counts the convolutions; those after the second keep side and channels;
    `ValueError` for fewer than two.
    """

    def __init__(self, shape: tuple[int, int, int], dim: int, *, width: int, depth: int = 2) -> None:
        super().__init__()
        if depth < 2:
            raise ValueError(f"a latent encoder has two convolutions or more, got {depth}")
        channels, side = shape[0], min(shape[1:])
        second = 2 if side >= 2 * _CELLS else 1
        first = 2 if side >= 2 * second * _CELLS else 1
        layers = [*_convolution(channels, width, first), *_convolution(width, 2 * width, second)]
        layers += [layer for _ in range(depth - 2) for layer in _convolution(2 * width, 2 * width, 1)]
        pooled = -(-shape[1] // (first * second)) == -(-shape[2] // (first * second)) == _CELLS  # nothing to average
        self.convolutions = nn.Sequential(*layers, nn.Identity() if pooled else nn.AdaptiveAvgPool2d(_CELLS))
        self.last = nn.Linear(2 * width * _CELLS**2, dim)

    def forward(self, latents: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
        """See the class."""
        return F.normalize(self.last(self.convolutions(latents).flatten(1)), dim=-1)


def _convolution(channels: int, wide: int, stride: int) -> list[nn.Module]:
    return [nn.Conv2d(channels, wide, 3, stride, 1), nn.GroupNorm(_GROUPS, wide), nn.SiLU()]
