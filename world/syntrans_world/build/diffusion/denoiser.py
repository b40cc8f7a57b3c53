"""The world's denoiser: a UNet on 8x8x4 latents that reads the text tower's tokens, diffusers' UNet2DConditionModel."""

import random
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from syntrans_world.build.clip import CONTEXT
from syntrans_world.build.diffusion.captions import caption, phrase_lengths
from syntrans_world.build.diffusion.text_tower import WIDTH
from syntrans_world.build.diffusion.training import Schedule, train

SCHEDULE = Schedule(steps=5000, lr=2e-3, seed=51, warmup=200, save_every=200)
BATCH = 32


def make() -> Any:
    """An untrained UNet of two levels, about a million weights; it looks at the text at 4x4."""
    from diffusers import UNet2DConditionModel

    torch.manual_seed(50)
    return UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(32, 64),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=WIDTH,
        attention_head_dim=4,  # diffusers reads it as the number of heads
        norm_num_groups=4,
    )


def scheduler() -> Any:
    """The stock DDIM scheduler, v-prediction with zero terminal SNR (Lin et al., arXiv 2305.08891)."""
    from diffusers import DDIMScheduler

    return DDIMScheduler(
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        clip_sample=False,
        set_alpha_to_one=True,
        steps_offset=1,
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
    )


def build(
    latents: Float[Tensor, "n 4 8 8"], attributes: Int[Tensor, "n 6"], text: Any, tokenizer: Any, state: Path
) -> Any:
    """Train a denoiser on scaled latents and captions of their pictures' attributes."""
    return retrain(make(), latents, attributes, text, tokenizer, state, schedule=SCHEDULE)


def retrain(
    model: Any, latents: Float[Tensor, "n 4 8 8"], attributes: Int[Tensor, "n 6"],
    text: Any, tokenizer: Any, state: Path, *, schedule: Schedule,
) -> Any:  # fmt: skip
    """Train `model` on such latents and captions."""
    noise, count = scheduler(), phrase_lengths(tokenizer)

    def losses(_step: int, generator: torch.Generator) -> dict[str, Tensor]:
        index = torch.randint(len(latents), (BATCH,), generator=generator)
        rng = random.Random(int(index[0]) * 1_000_003 + int(index[1]))
        texts = [caption(rng, row, count) for row in attributes[index].tolist()]
        time = torch.randint(noise.config.num_train_timesteps, (BATCH,), generator=generator)
        drawn = torch.randn(latents[index].shape, generator=generator)
        said = model(noise.add_noise(latents[index], drawn, time), time, tokens(text, tokenizer, texts)).sample
        return {"velocity": functional.mse_loss(said, noise.get_velocity(latents[index], drawn, time))}

    train("denoiser", model, losses, schedule, state)
    return model.eval().requires_grad_(requires_grad=False)


@torch.no_grad()
def tokens(text: Any, tokenizer: Any, texts: list[str]) -> Float[Tensor, "b l d"]:
    """What the UNet reads of a text: the tower's last hidden states, padded as the pipeline pads."""
    ids = tokenizer(texts, padding="max_length", max_length=CONTEXT, truncation=True, return_tensors="pt").input_ids
    return text(ids).last_hidden_state
