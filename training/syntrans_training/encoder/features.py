"""Extract features once, use them everywhere: a cache keyed by weights, pictures, preprocessing and torch."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Shaped, UInt8
from torch import Tensor, nn

from syntrans.errors import EnvironmentProblem, InputError
from syntrans.files.semantic_hash import semantic_hash
from syntrans.paths import artifacts_root
from syntrans.progress import say, track
from syntrans_training.data.augment import StoredCrops, crop_views, random_views, whole_views
from syntrans_training.data.store import Split
from syntrans_training.engine import checkpoint
from syntrans_training.engine.devices import autocast

# (pictures, their rows in the split) -> features
Encode = Callable[[Tensor, slice], Tensor]

FEATURES_VERSION = 1  # raise it when the same weights and pictures would give other features


@dataclass(frozen=True)
class Extraction:
    """How features are extracted, and what of it names them in the cache.

    `weights` is the hash of the encoder's weights (`checkpoint.weights_hash`). With `precision="bf16"` the convolutions
    run in bf16 (three times faster on CPUs that have it). `cache` is a folder; default: that of the artifacts.
    `batch_size`: pictures at once; default: 512 on a GPU, and 64 elsewhere, whose activations still fit a CPU's cache.
    """

    weights: str
    device: torch.device
    precision: str = "fp32"
    cache: Path | None = None
    batch_size: int | None = None

    def recipe(self, split: Split, size: int, views: list[Any]) -> dict[str, Any]:
        """What the features of these views of a split's pictures, at side `size`, depend on, but for torch."""
        return {"weights": self.weights, "data": split.key, "size": size, "views": views, "precision": self.precision}


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
    extraction: Extraction,
    *,
    size: int,
) -> Features:
    """Features of every picture at `size`, the mean over the picture and its mirror image.

    Leaves the encoder in eval mode.
    """
    if split.given is not None:
        return Features(torch.from_numpy(split.given), torch.from_numpy(split.labels), split.classes, split.key)

    def compute() -> Tensor:
        return run_encoder(encoder, split, size=size, device=extraction.device, precision=extraction.precision)

    values, key = _cached(extraction.recipe(split, size, ["whole", "mirror"]), split, extraction.cache, compute)
    return Features(values, torch.from_numpy(split.labels), split.classes, key)


def extract_views(
    encoder: nn.Module,
    split: Split,
    extraction: Extraction,
    *,
    n_views: int,
    seed: int,
    size: int,
) -> Float[Tensor, "n v d"]:
    """Features of `n_views` random views of every picture, to stand in for supports (`ScoredClassifier.support_views`).

    RFS's and SKD's support augmentation: a crop of `size` x `size` from the picture padded by `view_pad`, mirrored half
    of the time, no change of colours. View v of a picture depends on (seed, v) and its place in the split alone. Every
    view is a file of its own: asking for more views computes only those that are new.
    """
    if n_views < 1:
        raise ValueError(f"n_views must be at least 1, got {n_views}")
    views_done = []
    for v in range(n_views):
        view = {"crop_pad": view_pad(size), "seed": seed, "number": v}
        recipe = extraction.recipe(split, size, [view])

        def compute(v: int = v) -> Tensor:
            encode = _random_view(encoder, len(split), seed=(seed, v), size=size)
            return _run(encoder, split, encode, f"view {v + 1} of {split.name}", extraction)

        views_done.append(_cached(recipe, split, extraction.cache, compute)[0])
    return torch.stack(views_done, 1)


def _random_view(encoder: nn.Module, n: int, *, seed: tuple[int, int], size: int) -> Encode:
    """Features of one random view of pictures; what a picture's view is depends on its place among all `n` alone."""
    number = int(np.random.SeedSequence(seed).generate_state(1)[0])

    def encode(pixels: Tensor, rows: slice) -> Tensor:
        generator = torch.Generator().manual_seed(number)
        upright = _stored(whole_views(pixels, size=size))
        pad = view_pad(size)
        views = random_views(upright, generator, size=size, crop_pad=pad, jitter=0.0, within=(rows, n))
        features: Tensor = encoder(views)
        return features.float()

    return encode


def extract_crops(
    encoder: nn.Module,
    split: Split,
    crops: StoredCrops,
    extraction: Extraction,
    *,
    view: Mapping[str, Any],
    shown: int,
) -> Float[Tensor, "n v d"]:
    """Unit features in half precision of the stored crops of every picture: what a teacher is asked only once.

    `view` are the arguments of `crop_views`, at the student's size; the teacher sees the same crops at side `shown`.
    Every view is a file of its own: asking for more views computes only those that are new.
    """
    crops_done = []
    for v in range(crops.views):
        what = {**view, "shown": shown, "seed": crops.seed, "number": v, "stored": "unit fp16"}
        recipe = extraction.recipe(split, shown, [what])

        def compute(v: int = v) -> Tensor:
            def encode(pixels: Tensor, rows: slice) -> Tensor:
                items = torch.arange(rows.start, rows.stop)
                with torch.autocast(extraction.device.type, enabled=False):  # in bf16 a crop's corners would move
                    cut = crop_views(pixels, crops.numbers(items, torch.full_like(items, v)), **view, shown=shown)
                return F.normalize(encoder(cut).float(), dim=1).half()

            return _run(encoder, split, encode, f"teacher, view {v + 1}/{crops.views}", extraction)

        crops_done.append(_cached(recipe, split, extraction.cache, compute)[0])
    return torch.stack(crops_done, 1)


def view_pad(size: int) -> int:
    """Pixels of padding that random views are cut from: SKD's 8 at 84 and 4 at 32, and in between."""
    return max(size // 10, 4)


def _cached(
    recipe: dict[str, Any], split: Split, cache: Path | None, compute: Callable[[], Tensor]
) -> tuple[Tensor, str]:
    """The tensor of a recipe and its key, from the cache when it is there. Another torch may give other features."""
    recipe = {**recipe, "torch": torch.__version__}
    key = semantic_hash({**recipe, "version": FEATURES_VERSION})
    path = (cache or artifacts_root() / "cache" / "features") / f"{key}.safetensors"
    if os.path.lexists(path):  # False also where one may not look
        try:
            return checkpoint.load(path)[0]["features"], key
        except (InputError, KeyError) as error:
            say(f"cache passed over: {error}")
    computed = compute()
    try:
        checkpoint.save(path, {"features": computed}, {**recipe, "split": split.name})
    except EnvironmentProblem as error:
        say(f"not kept for the next run: {error}")
    return computed, key


def _stored(views: Float[Tensor, "b 3 h w"]) -> UInt8[Tensor, "b h w 3"]:
    """Views with values in [0, 1] as pictures are stored."""
    return (views * 255).round().byte().permute(0, 2, 3, 1)


def encode_batch(encoder: nn.Module, pixels: Shaped[Tensor, "b S S 3"], size: int) -> Float[Tensor, "b d"]:
    """Features of stored pictures [b, S, S, 3]: the mean over the whole picture and its mirror image."""
    views = whole_views(pixels, size=size)
    mean: Tensor = (encoder(views).float() + encoder(views.flip(3)).float()) / 2
    return mean


def run_encoder(
    encoder: nn.Module, split: Split, *, size: int, device: torch.device, precision: str = "fp32"
) -> Float[Tensor, "n d"]:
    """Features of every picture of a split, on the CPU; leaves the encoder in eval mode."""

    def encode(pixels: Tensor, _rows: slice) -> Tensor:
        return encode_batch(encoder, pixels, size)

    return _run(encoder, split, encode, f"features of {split.name}", Extraction("", device, precision))


@torch.inference_mode()
def _run(
    encoder: nn.Module,
    split: Split,
    encode: Encode,
    label: str,
    extraction: Extraction,
) -> Float[Tensor, "n d"]:
    """`encode` of the pictures and their places in the split, batch by batch."""
    encoder.eval()
    device = extraction.device
    batch_size = extraction.batch_size or (512 if device.type == "cuda" else 64)
    batches = []
    with track(label, len(split), "images") as progress:
        for start in range(0, len(split), batch_size):
            rows = slice(start, min(start + batch_size, len(split)))
            batch = torch.from_numpy(np.array(split.pixels[rows])).to(device)
            with autocast(device, extraction.precision):
                batches.append(encode(batch, rows).cpu())
            progress.advance(len(batch))
    return torch.cat(batches)
