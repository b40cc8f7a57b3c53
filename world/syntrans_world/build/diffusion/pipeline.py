"""Train the parts one after another and write them as one folder in diffusers' format."""

import json
import shutil
from pathlib import Path
from typing import Any

import open_clip
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from syntrans.paths import atomic_path
from syntrans_world.build.diffusion import autoencoder, denoiser, patterns
from syntrans_world.build.diffusion.text_tower import text_tower, tokenizer_of
from syntrans_world.build.pictures import draw_pool
from syntrans_world.build.schedule import say

POOL, POOL_SEED = 8_000, 43
PATTERN_POOL = 16_000  # of the second round; the same pictures first


def build_diffusion(clip_folder: Path, out: Path, state: Path) -> None:
    """Write the pipeline's folder `out`; `state` keeps unfinished training, and is taken up again.

    No picture shows a held-out combination of attributes (build/pictures.py): those of the classes, and a tenth of
    all others.
    """
    pictures, attributes = _pool(state / "pool.safetensors", POOL)
    clip = _clip(clip_folder)
    vae = autoencoder.build(pictures, clip, state / "autoencoder.safetensors")
    latents = autoencoder.latents(vae, pictures, factor=vae.config.scaling_factor)
    text, tokenizer = text_tower(clip_folder), tokenizer_of(clip_folder)
    unet = denoiser.build(latents, attributes, text, tokenizer, state / "denoiser.safetensors")
    _write({"vae": vae, "text_encoder": text, "tokenizer": tokenizer, "unet": unet}, out)


def retrain_for_patterns(clip_folder: Path, out: Path, state: Path) -> None:
    """The second round (patterns.py), from the folder `out` that `build_diffusion` wrote."""
    from diffusers import StableDiffusionPipeline

    state.mkdir(parents=True, exist_ok=True)
    pictures, attributes = _pool(state / "pool.safetensors", PATTERN_POOL)
    before = StableDiffusionPipeline.from_pretrained(out, use_safetensors=True, dtype=torch.float32)
    vae = patterns.retrain(before.vae, pictures, attributes, _clip(clip_folder), state)
    latents = autoencoder.latents(vae, pictures, factor=vae.config.scaling_factor)
    text, tokenizer = text_tower(clip_folder), tokenizer_of(clip_folder)
    unet = before.unet.train().requires_grad_(requires_grad=True)
    denoiser.retrain(
        unet, latents, attributes, text, tokenizer, state / "denoiser.safetensors", schedule=patterns.DENOISER
    )
    _write({"vae": vae, "text_encoder": text, "tokenizer": tokenizer, "unet": unet}, out)


def _clip(folder: Path) -> Any:
    model, _, _ = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    return model.eval().requires_grad_(requires_grad=False)


def _pool(path: Path, size: int) -> tuple[Tensor, Tensor]:
    """The training pictures and their attributes, drawn once."""
    if not path.is_file():
        pictures, attributes = draw_pool(size, seed=POOL_SEED, held_out=False)
        with atomic_path(path) as temporary:
            save_file({"pictures": pictures, "attributes": attributes}, temporary)
    kept = load_file(path)
    return kept["pictures"], kept["attributes"]


def _write(parts: dict[str, Any], out: Path) -> None:
    """The folder of a stock StableDiffusionPipeline, weights in half precision."""
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline(
        **parts,
        scheduler=denoiser.scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    shutil.rmtree(out, ignore_errors=True)
    pipeline.to(dtype=torch.float16).save_pretrained(out, safe_serialization=True)
    for path in out.glob("*/config.json"):  # a part that was loaded says from where
        config = json.loads(path.read_text())
        if config.pop("_name_or_path", None) is not None:
            path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    say(f"diffusion written, {sum(p.stat().st_size for p in out.rglob('*.safetensors'))} bytes of weights")
