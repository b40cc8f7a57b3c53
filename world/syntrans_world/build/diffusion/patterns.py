"""The second round of the world's diffusion model: patterns, which the first autoencoder blurs.

A cell of 8x8 pixels is four numbers, too few for where each stripe lies, and a loss of pixels then blurs them: half a
period's shift costs more than no stripes at all. So the encoder first learns alone to tell the attributes by latents
that stay near what they were. Then both parts are trained: pixels count most where they are coarse, and of what is fine
the loss asks how much there is of it and hardly where (`textures`, `PerceptualFeatures`). At last the denoiser follows
the latents.
"""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn
from torch.nn import functional

from syntrans_world.build.clip import MEAN, STD
from syntrans_world.build.diffusion import autoencoder
from syntrans_world.build.diffusion.autoencoder import scaled
from syntrans_world.build.diffusion.training import Schedule, train
from syntrans_world.spec import SLOTS, VALUES

ENCODER = Schedule(steps=1200, lr=2e-3, seed=61, warmup=50, save_every=100)
ENCODER_BATCH = 16
BOTH = Schedule(steps=2500, lr=1e-3, seed=62, warmup=100, save_every=100)
BATCH = 8
DENOISER = Schedule(steps=3000, lr=1e-3, seed=63, warmup=100, save_every=200)
NOISE = 0.15  # of the latents' own spread: the denoiser will not meet them exactly
COARSE, PIXELS, TEXTURE, MAPS, EMBEDDING, TOLD = 1.0, 0.2, 0.5, 0.3, 0.5, 0.1  # weights of the losses of both parts
LAGS = ((0, 3), (3, 0), (2, 2), (2, -2))  # about half a period of the world's patterns
GRAIN = 0.05  # what the pixels' noise makes of such a difference

Losses = Callable[[int, torch.Generator], dict[str, Tensor]]


class Reader(nn.Module):
    """Reads the attributes off latents; used in training alone."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(60)
        self.counts = [len(VALUES[slot]) for slot in SLOTS]
        self.layers = nn.Sequential(
            nn.Conv2d(4, 48, 3, padding=1), nn.SiLU(), nn.Conv2d(48, 64, 3, padding=1), nn.SiLU(),
            nn.AvgPool2d(2), nn.Flatten(), nn.Linear(64 * 16, sum(self.counts)),
        )  # fmt: skip

    def forward(self, latents: Float[Tensor, "b 4 8 8"], attributes: Int[Tensor, "b 6"]) -> Float[Tensor, ""]:
        """Mean cross-entropy over the slots, and that of the pattern again."""
        parts = self.layers(latents).split(self.counts, 1)
        losses = [functional.cross_entropy(part, attributes[:, i]) for i, part in enumerate(parts)]
        return torch.stack(losses).mean() + losses[SLOTS.index("pattern")]


class PerceptualFeatures:
    """What a frozen CLIP's image tower makes of pictures in [-1, 1]: feature maps and embeddings, of unit length.

    The two finest maps are smoothed, so that they say which texture there is and hardly where its stripes lie.
    """

    def __init__(self, clip: Any) -> None:
        self.tower = clip.visual
        self.mean, self.std = torch.tensor(MEAN).view(3, 1, 1), torch.tensor(STD).view(3, 1, 1)

    def __call__(
        self, pictures: Float[Tensor, "b 3 64 64"]
    ) -> tuple[list[Float[Tensor, "b _c _s _s"]], Float[Tensor, "b d"]]:
        """Four maps (Johnson et al. 2016) and the embedding."""
        tower, x = self.tower, ((pictures + 1) / 2 - self.mean) / self.std
        maps: list[Tensor] = []
        for layer in (tower.stem, tower.layer1, tower.layer2, tower.layer3):
            x = layer(x)
            smooth = functional.avg_pool2d(x, 2, stride=1) if len(maps) < 2 else x
            maps.append(functional.normalize(smooth, dim=1))
        return maps, functional.normalize(tower.attnpool(tower.layer4(x)), dim=-1)


def textures(pictures: Float[Tensor, "b 3 64 64"]) -> Float[Tensor, "b k 15 15"]:
    """How much pixels differ from those half a period away, by colour and direction: means of 8x8 pixels."""
    differences = [(pictures - torch.roll(pictures, lag, (2, 3))).abs() for lag in LAGS]
    return torch.cat([functional.avg_pool2d(difference, 8, stride=4) for difference in differences], 1)


def retrain(
    vae: Any, pictures: UInt8[Tensor, "n 3 64 64"], attributes: Int[Tensor, "n 6"], clip: Any, state: Path
) -> Any:
    """Train the autoencoder of the first round on: its encoder, then all of it."""
    vae.train().requires_grad_(requires_grad=True)
    reader = Reader()
    encoder = nn.ModuleDict({"encoder": vae.encoder, "quant_conv": vae.quant_conv, "reader": reader})
    train(
        "patterns, encoder",
        encoder,
        encoder_losses(vae, reader, pictures, attributes),
        ENCODER,
        state / "encoder.safetensors",
    )
    both = nn.ModuleDict({"vae": vae, "reader": reader})
    train(
        "patterns, both",
        both,
        both_losses(vae, reader, pictures, attributes, clip),
        BOTH,
        state / "autoencoder.safetensors",
    )
    return autoencoder.finished(vae, pictures)


def encoder_losses(
    vae: Any, reader: Reader, pictures: UInt8[Tensor, "n 3 64 64"], attributes: Int[Tensor, "n 6"]
) -> Losses:
    """What the latents tell, and how far they moved, in units of their spread."""
    before, factor = deepcopy(vae).eval(), vae.config.scaling_factor

    def losses(_step: int, generator: torch.Generator) -> dict[str, Tensor]:
        index = torch.randint(len(pictures), (ENCODER_BATCH,), generator=generator)
        true = scaled(pictures[index])
        latents = vae.encode(true).latent_dist.mean * factor
        with torch.no_grad():
            old = before.encode(true).latent_dist.mean * factor
        noisy = latents + NOISE * torch.randn(latents.shape, generator=generator)
        return {"told": reader(noisy, attributes[index]), "moved": functional.mse_loss(latents, old)}

    return losses


def both_losses(
    vae: Any, reader: Reader, pictures: UInt8[Tensor, "n 3 64 64"], attributes: Int[Tensor, "n 6"], clip: Any
) -> Losses:
    """What decoded pictures look like beside the true ones, and what the latents tell."""
    features_of = PerceptualFeatures(clip)

    def losses(_step: int, generator: torch.Generator) -> dict[str, Tensor]:
        index = torch.randint(len(pictures), (BATCH,), generator=generator)
        true = scaled(pictures[index])
        latents = vae.encode(true).latent_dist.mean
        noise = NOISE * latents.detach().std() * torch.randn(latents.shape, generator=generator)
        decoded = vae.decode(latents + noise).sample
        with torch.no_grad():
            maps, embedding = features_of(true)
        seen, seen_embedding = features_of(decoded)
        coarse, wanted = (functional.avg_pool2d(part, 4, stride=2) for part in (decoded, true))
        distances = [(a - b).square().sum(1).mean() for a, b in zip(seen, maps, strict=True)]
        return {
            "coarse": COARSE * functional.l1_loss(coarse, wanted),
            "pixels": PIXELS * functional.l1_loss(decoded, true),
            "texture": TEXTURE * functional.l1_loss(textures(decoded), (textures(true) - GRAIN).relu()),
            "maps": MAPS * torch.stack(distances).mean(),
            "embedding": EMBEDDING * (1 - (seen_embedding * embedding).sum(-1)).mean(),
            "told": TOLD * reader((latents + noise) * vae.config.scaling_factor, attributes[index]),
        }

    return losses
