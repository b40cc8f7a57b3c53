"""A pool of pictures with random attributes; combinations whose hash falls in a tenth are held out for measuring."""

import zlib

import numpy as np
import torch
from torch import Tensor

from syntrans_world.render import render
from syntrans_world.spec import CLASSES, SLOTS, VALUES


def is_held_out(attributes: tuple[int, ...]) -> bool:
    """Combinations never trained on: those of the classes themselves, and a tenth of all others."""
    return attributes in _CLASS_CODES or zlib.crc32(bytes(attributes)) % 10 == 0


_CLASS_CODES = {entry.attributes for entry in CLASSES}


def draw_pool(n: int, seed: int, *, held_out: bool) -> tuple[Tensor, Tensor]:
    """(pictures uint8 [n, 3, 64, 64], attributes int64 [n, 6]), all held out or none of them."""
    rng = np.random.default_rng(seed)
    pictures = np.empty((n, 64, 64, 3), np.uint8)
    attributes = np.empty((n, len(SLOTS)), np.int64)
    for i in range(n):
        while True:
            drawn = tuple(int(rng.integers(len(VALUES[slot]))) for slot in SLOTS)
            if is_held_out(drawn) == held_out:
                break
        pictures[i], attributes[i] = render(drawn, rng), drawn
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(attributes)
