"""The world's autoencoder: 64x64 pictures to latents of 8x8x4, diffusers' AutoencoderKL."""

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional

from syntrans_world.build.clip import MEAN, STD
from syntrans_world.build.diffusion.training import Schedule, train

BLOCKS = (8, 16, 32, 48)
SCHEDULE = Schedule(steps=3000, lr=2e-3, seed=41, save_every=200)
BATCH = 16
CROP = 32  # everything in it is a convolution: crops train it as well as whole pictures, at a quarter of the time
KL_WEIGHT = 1e-4
COARSE, FINE = 0.05, 0.3  # what the perceptual loss counts: colours and shapes come first, then patterns
COARSE_STEPS = 1200


def make() -> Any:
    """An untrained AutoencoderKL: three stages of stride 2, four latent channels, under 0.6 million weights."""
    from diffusers import AutoencoderKL

    torch.manual_seed(40)
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * len(BLOCKS),
        up_block_types=("UpDecoderBlock2D",) * len(BLOCKS),
        block_out_channels=BLOCKS,
        layers_per_block=1,
        latent_channels=4,
        mid_block_add_attention=False,
        norm_num_groups=1,  # more would take the mean of each of 8 channels away, and with it the colours
        sample_size=64,
    )


def scaled(pictures: UInt8[Tensor, "b 3 s s"]) -> Float[Tensor, "b 3 s s"]:
    """Pictures as diffusers takes them: [-1, 1]."""
    return pictures.float() / 127.5 - 1


def perceptual_loss(clip: Any, decoded: Float[Tensor, "b 3 s s"], true: Float[Tensor, "b 3 s s"]) -> Float[Tensor, ""]:
    """Distance of unit-length feature maps of a frozen CLIP's image tower (Johnson et al. 2016; LPIPS without weights).

    Pixels alone let stripes and dots blur: half a period's shift costs as much as no stripes at all.
    """
    mean, std = torch.tensor(MEAN).view(3, 1, 1), torch.tensor(STD).view(3, 1, 1)

    def maps(pictures: Tensor) -> list[Tensor]:
        tower, x, activations = clip.visual, ((pictures + 1) / 2 - mean) / std, []
        for layer in (tower.stem, tower.layer1, tower.layer2, tower.layer3):
            x = layer(x)
            activations.append(functional.normalize(x, dim=1))
        return activations

    with torch.no_grad():
        wanted = maps(true)
    return torch.stack([(a - b).square().sum(1).mean() for a, b in zip(maps(decoded), wanted, strict=True)]).mean()


def build(pictures: UInt8[Tensor, "n 3 64 64"], clip: Any, state: Path) -> Any:
    """Train the autoencoder."""
    model = make()

    def losses(step: int, generator: torch.Generator) -> dict[str, Tensor]:
        true = scaled(_crops(pictures, generator))
        latent = model.encode(true).latent_dist
        decoded = model.decode(latent.mean + latent.std * torch.randn(latent.mean.shape, generator=generator)).sample
        return {
            "squares": functional.mse_loss(decoded, true),
            "pixels": 0.5 * functional.l1_loss(decoded, true),
            "perceptual": (COARSE if step < COARSE_STEPS else FINE) * perceptual_loss(clip, decoded, true),
            "kl": KL_WEIGHT * latent.kl().mean() / latent.mean[0].numel(),
        }

    train("autoencoder", model, losses, SCHEDULE, state)
    return finished(model, pictures)


def finished(model: Any, pictures: UInt8[Tensor, "n 3 64 64"]) -> Any:
    """The trained model with the `scaling_factor` that makes the latents of `pictures` unit variance."""
    model.eval().requires_grad_(requires_grad=False)
    model.register_to_config(scaling_factor=1 / latents(model, pictures[:2000], factor=1.0).std().item())
    return model


def _crops(pictures: UInt8[Tensor, "n 3 64 64"], generator: torch.Generator) -> UInt8[Tensor, "b 3 32 32"]:
    """A crop of each picture of a random batch."""
    index = torch.randint(len(pictures), (BATCH,), generator=generator)
    corners = torch.randint(pictures.shape[-1] - CROP + 1, (BATCH, 2), generator=generator).tolist()
    cut = [pictures[i, :, y : y + CROP, x : x + CROP] for i, (y, x) in zip(index, corners, strict=True)]
    return torch.stack(cut)


@torch.no_grad()
def latents(model: Any, pictures: UInt8[Tensor, "n 3 64 64"], *, factor: float) -> Float[Tensor, "n 4 8 8"]:
    """The means of the pictures' latents times `factor`."""
    parts = [model.encode(scaled(part)).latent_dist.mean for part in pictures.split(250)]
    return torch.cat(parts) * factor
