"""FLIER's latent encoder: "a flexible convolutional neural network with two convolutional layers".

Published: the two convolutions. Derived: everything else (kernels, widths, normalisation, pooling, the last layer).
"""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

_CELLS = 4  # side of what the last layer reads
_GROUPS = 8


class LatentEncoder(nn.Module):
    """Scaled latents [n, c, h, w] to unit vectors [n, d] in CLIP's space.

    A convolution halves the side only where at least 4x4 cells are left, so that 64x64 latents of Stable Diffusion and
    8x8 latents are both read.
    """

    def __init__(self, shape: tuple[int, int, int], dim: int, *, width: int) -> None:
        super().__init__()
        channels, side = shape[0], min(shape[1:])
        second = 2 if side >= 2 * _CELLS else 1
        first = 2 if side >= 2 * second * _CELLS else 1
        self.convolutions = nn.Sequential(
            nn.Conv2d(channels, width, 3, first, 1),
            nn.GroupNorm(_GROUPS, width),
            nn.SiLU(),
            nn.Conv2d(width, 2 * width, 3, second, 1),
            nn.GroupNorm(_GROUPS, 2 * width),
            nn.SiLU(),
            nn.AdaptiveAvgPool2d(_CELLS),
        )
        self.last = nn.Linear(2 * width * _CELLS**2, dim)

    def forward(self, latents: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
        """See the class."""
        return F.normalize(self.last(self.convolutions(latents).flatten(1)), dim=-1)
