"""Phase 0: the latent encoder learns on base classes to see a picture's latent as CLIP sees the picture.

docs/method.md (43). Derived: the sources train the latent encoder on the shots and the imagined pictures alone, a few
dozen latents. Base classes have thousands, their labels are not needed, and CLIP stays as it is.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from syntrans_training.flier.latent_encoder import LatentEncoder
from syntrans_training.flier.model import Pictures, Projection

_NEAR, _SHARP = 10.0, 50.0  # weight of the cosine; scale of the similarities among a batch's pictures


@dataclass(frozen=True)
class Imitation:
    """Steps of AdamW with cosine decay, none of which leave the encoder as it is drawn."""

    steps: int
    lr: float
    batch: int
    weight_decay: float


def imitate_clip(
    projection: Projection, base: Pictures, recipe: Imitation, *, width: int, depth: int, noise: float, seed: int
) -> LatentEncoder:
    """The encoder whose vector of a latent is near CLIP's of the picture, and nearer than to others of the batch."""
    torch.manual_seed(seed)
    with torch.no_grad():
        seen = projection(base.before)
    channels, height, side = base.latents.shape[1:]
    encoder = LatentEncoder((channels, height, side), seen.shape[1], width=width, depth=depth)
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.steps)
    generator = torch.Generator().manual_seed(seed)
    size = min(recipe.batch, len(base))
    for _ in range(recipe.steps):
        drawn = torch.randint(len(base), (size,), generator=generator)
        latents = base.latents[drawn]
        latents = latents + noise * torch.randn(latents.shape, generator=generator)
        vectors, wanted = encoder(latents), seen[drawn]
        loss = _NEAR * (1 - (vectors * wanted).sum(-1)).mean()
        loss = loss + F.cross_entropy(_SHARP * vectors @ wanted.T, torch.arange(size))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return encoder.eval().requires_grad_(requires_grad=False)
