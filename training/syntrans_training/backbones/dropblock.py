"""DropBlock: dropout of contiguous squares of a feature map."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class DropBlock(nn.Module):
    """Ghiasi, Lin, Le, "DropBlock: A regularization method for convolutional networks" (NeurIPS 2018).

    https://arxiv.org/abs/1810.12890. Zeroes squares so that about `rate` of the map is gone, and rescales the rest;
    evaluation mode is the identity. The rate grows linearly from 0 over the ramp, as in SKD's code; the step counter is
    a buffer, so a resumed run continues it.

    Args:
        rate: share of the map in (0, 1); `ValueError` for another.
        block_size: side of the squares in cells of the map, or the map's own side where that is smaller.
        ramp_steps: training steps until `rate` is reached.
    """

    steps: Tensor

    def __init__(self, rate: float, block_size: int = 5, ramp_steps: int = 40_000) -> None:
        super().__init__()
        if not 0 < rate < 1:
            raise ValueError(f"DropBlock's rate must lie between 0 and 1, got {rate}")
        self.rate, self.block_size, self.ramp_steps = rate, block_size, max(1, ramp_steps)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Drop squares while training, else give `x` back."""
        if not self.training:
            return x
        self.steps += 1
        rate = self.rate * (self.steps / self.ramp_steps).clamp(max=1.0)  # a tensor: reading it would stop a GPU
        h, w = x.shape[-2:]
        side = min(self.block_size, h, w)
        # gamma of the paper's equation (1): seeds per position such that the expected dropped share is `rate`.
        gamma = rate / side**2 * (h * w) / ((h - side + 1) * (w - side + 1))
        seeds = torch.rand_like(x[..., : h - side + 1, : w - side + 1]) < gamma
        padded = F.pad(seeds.to(x.dtype), (side - 1,) * 4)
        keep = 1 - F.max_pool2d(padded, side, stride=1)
        return x * keep * (keep.numel() / keep.sum().clamp(min=1))
