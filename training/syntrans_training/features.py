"""Extract features once, use them everywhere: a cache keyed by weights, pictures and preprocessing."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from syntrans.config import semantic_hash
from syntrans.paths import artifacts_root

from . import checkpoint
from .data.augment import whole_views
from .data.store import Split
from .progress import track
from .seeding import autocast

FEATURES_VERSION = 1  # raise it when the same weights and pictures would give other features


@dataclass(frozen=True)
class Features:
    """Raw encoder outputs of a split; normalisation happens where they are used."""

    values: Float[Tensor, "n d"]
    labels: Int[Tensor, " n"]
    classes: tuple[str, ...]
    key: str


def extract(
    encoder: nn.Module,
    split: Split,
    *,
    weights: str,
    size: int,
    device: torch.device,
    precision: str = "fp32",
    cache: Path | None = None,
) -> Features:
    """Features of every picture at `size`, the mean over the picture and its mirror image.

    `weights` is the hash of the encoder's weights (`checkpoint.weights_hash`). With `precision="bf16"` the convolutions
    run in bf16 (three times faster on CPUs that have it). Leaves the encoder in eval mode.
    """
    recipe = {"weights": weights, "data": split.key, "size": size, "views": ["whole", "mirror"], "precision": precision}
    key = semantic_hash({**recipe, "version": FEATURES_VERSION})
    path = (cache or artifacts_root() / "cache" / "features") / f"{key}.safetensors"
    labels = torch.from_numpy(split.labels)
    if not path.exists():
        values = run_encoder(encoder, split, size=size, device=device, precision=precision)
        checkpoint.save(path, {"features": values}, {**recipe, "split": split.name})
    return Features(checkpoint.load(path)[0]["features"], labels, split.classes, key)


def encode_batch(encoder: nn.Module, pixels: Tensor, size: int) -> Float[Tensor, "b d"]:
    """Features of stored pictures [b, S, S, 3]: the mean over the whole picture and its mirror image."""
    views = whole_views(pixels, size=size)
    mean: Tensor = (encoder(views).float() + encoder(views.flip(3)).float()) / 2
    return mean


@torch.inference_mode()
def run_encoder(
    encoder: nn.Module, split: Split, *, size: int, device: torch.device, precision: str = "fp32"
) -> Float[Tensor, "n d"]:
    """Features of every picture of a split, on the CPU; leaves the encoder in eval mode."""
    encoder.eval()
    batch_size = 512 if device.type == "cuda" else 64  # activations of 64 pictures still fit a CPU's cache
    found = []
    with track(f"features of {split.name}", len(split), "images") as progress:
        for start in range(0, len(split), batch_size):
            batch = torch.from_numpy(np.array(split.pixels[start : start + batch_size])).to(device)
            with autocast(device, precision):
                found.append(encode_batch(encoder, batch, size).cpu())
            progress.advance(len(batch))
    return torch.cat(found)
