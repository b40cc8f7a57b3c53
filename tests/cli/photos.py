"""Photos of nine birds, drawn: each class has its own colour."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

BIRDS = ("auk", "barbet", "crake", "dipper", "egret", "finch", "grebe", "hoopoe", "ibis")


def draw_photos(root: Path, names: tuple[str, ...], per_class: int) -> Path:
    """One folder a class; its pictures have the class's colour, and noise."""
    for number, name in enumerate(names):
        rng = np.random.default_rng(number)
        colour = rng.integers(40, 215, 3)
        (root / name).mkdir(parents=True)
        for i in range(per_class):
            pixels = (colour + rng.normal(0, 30, (16, 16, 3))).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / name / f"{i:02}.png")
    return root
