"""How good the world's diffusion model is: what CLIP sees in pictures of combinations never trained on."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from syntrans_world.build.clip import TEMPLATE, phrase_table, pixels
from syntrans_world.build.diffusion.captions import fitting, phrase_lengths
from syntrans_world.build.diffusion.pipeline import POOL, POOL_SEED
from syntrans_world.build.diffusion.vlm_probe import VlmProbe
from syntrans_world.build.pictures import draw_pool
from syntrans_world.spec import PHRASES, SLOTS, VALUES

STEPS, GUIDANCE = 20, 2.0
NEAREST = 2000  # training pictures that others are compared with


@torch.no_grad()
def measure_diffusion(folder: Path, clip_folder: Path, n: int = 300, probe: VlmProbe | None = None) -> dict[str, float]:
    """Shares of pictures in which CLIP finds a slot's value, of imagined, real and reconstructed ones; and distances.

    `imagined_<slot>` counts the captions that name the slot; the captions name as many slots as the model reads.
    `probe_*` is what the `probe` finds.
    `nearest_*` are mean distances (root of the mean square of pixels in [0, 1]) of imagined
    and of held-out real pictures to the nearest of 2,000 training pictures; `closest_*` the smallest of them.
    """
    pipeline = _load(folder)
    real, attributes = draw_pool(n, seed=61, held_out=True)
    told, texts = _captions(attributes, phrase_lengths(pipeline.tokenizer))
    imagined = torch.cat([_imagine(pipeline, texts[i : i + 50], i) for i in range(0, n, 50)])
    decoded = torch.cat([_reconstruct(pipeline.vae, part) for part in real.split(50)])
    everywhere = torch.ones_like(told)
    figures: dict[str, float] = {}
    for name, pictures, where in (
        ("imagined", imagined, told), ("real", real, everywhere), ("reconstructed", decoded, everywhere),
    ):  # fmt: skip
        judges = {"": recognised(clip_folder, pictures, attributes)}
        if probe is not None:
            judges["probe_"] = probe.right(pictures, attributes)
        for judge, right in judges.items():
            for i, slot in enumerate(SLOTS):
                figures[f"{judge}{name}_{slot}"] = round(right[where[:, i], i].float().mean().item(), 4)
    trained, _ = draw_pool(min(POOL, NEAREST), seed=POOL_SEED, held_out=False)
    for name, pictures in (("imagined", imagined), ("real", real)):
        distances = nearest(pictures, trained)
        figures[f"nearest_{name}"] = round(distances.mean().item(), 4)
        figures[f"closest_{name}"] = round(distances.min().item(), 4)
    return figures


def _load(folder: Path) -> Any:
    from diffusers import DiffusionPipeline

    pipeline = DiffusionPipeline.from_pretrained(folder, use_safetensors=True, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _captions(attributes: Int[Tensor, "n 6"], count: dict[str, int]) -> tuple[Tensor, list[str]]:
    """Which slots each caption names [n, 6], and the captions, slots in any order."""
    rng, told, texts = random.Random("measure"), torch.zeros_like(attributes, dtype=torch.bool), []
    for row, values in enumerate(attributes.tolist()):
        order = rng.sample(range(len(SLOTS)), len(SLOTS))
        phrases = [rng.choice(PHRASES[SLOTS[i]][VALUES[SLOTS[i]][values[i]]]) for i in order]
        kept = fitting(phrases, count)
        told[row, order[: len(kept)]] = True
        texts.append(TEMPLATE.format(descriptor=", ".join(kept)))
    return told, texts


def _imagine(pipeline: Any, texts: list[str], first: int) -> UInt8[Tensor, "n 3 64 64"]:
    generators = [torch.Generator().manual_seed(first + i) for i in range(len(texts))]
    pictures = pipeline(
        texts, num_inference_steps=STEPS, guidance_scale=GUIDANCE, generator=generators, output_type="np"
    ).images
    return torch.from_numpy((np.asarray(pictures) * 255).round().astype(np.uint8)).permute(0, 3, 1, 2).contiguous()


def _reconstruct(vae: Any, pictures: UInt8[Tensor, "n 3 64 64"]) -> UInt8[Tensor, "n 3 64 64"]:
    decoded = vae.decode(vae.encode(pictures.float() / 127.5 - 1).latent_dist.mean).sample
    return ((decoded.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)


@torch.no_grad()
def recognised(
    clip_folder: Path, pictures: UInt8[Tensor, "n 3 64 64"], attributes: Int[Tensor, "n 6"]
) -> Bool[Tensor, "n 6"]:
    """Whether CLIP's nearest phrase of each slot is the picture's, [n, 6] bool."""
    import open_clip

    model, _, _ = open_clip.create_model_and_transforms(f"local-dir:{clip_folder}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{clip_folder}")
    model.eval()
    image = torch.cat([model.encode_image(pixels(part), normalize=True) for part in pictures.split(100)])
    columns = []
    for i in range(len(SLOTS)):
        texts = [TEMPLATE.format(descriptor=row[3]) for row in phrase_table() if row[1] == i][::2]
        text = model.encode_text(tokenizer(texts), normalize=True)
        columns.append((image @ text.T).argmax(-1) == attributes[:, i])
    return torch.stack(columns, 1)


def nearest(pictures: UInt8[Tensor, "n 3 64 64"], others: UInt8[Tensor, "m 3 64 64"]) -> Float[Tensor, " n"]:
    """The distance of every picture to the nearest other, as the root of the mean square of pixels in [0, 1]."""
    a, b = (part.flatten(1).float() / 255 for part in (pictures, others))
    return torch.cdist(a, b).amin(1) / a.shape[1] ** 0.5
