"""The two phases: a linear head on real shots with CLIP frozen, then head, projection and latent encoder jointly.

docs/method.md (43).
"""

import copy
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from syntrans_training.flier.latent_encoder import LatentEncoder
from syntrans_training.flier.model import Flier, LossWeights, Pictures, Projection, joint_loss


@dataclass(frozen=True)
class Phase:
    """Steps of AdamW, learning rates of the new parts, the projection and CLIP's last block, batch (real, and as many
    imagined).
    """

    steps: int
    lr: float
    projection_lr: float
    batch: int
    weight_decay: float
    block_lr: float = 0.0


@dataclass(frozen=True)
class Recipe:
    """Both phases, and what the latent encoder is."""

    phase1: Phase
    phase2: Phase
    weights: LossWeights
    real_share: float
    width: int
    latent_noise: float
    depth: int = 2
    start: LatentEncoder | None = None  # where the latent encoder begins; None draws it


def train_flier(
    projection: Projection,
    text: Float[Tensor, "c d"],
    real: Pictures,
    imagined: Pictures | None,
    recipe: Recipe,
    *,
    seed: int,
    with_latents: bool = True,
) -> Flier:
    """Phase 1 (published: a linear probe of CLIP on the real shots), then phase 2 (published: both encoders together).

    The same seed gives the same weights; what is drawn does not depend on whether there is a latent branch.
    """
    torch.manual_seed(seed)
    encoder = _first_encoder(real, text, recipe) if with_latents else None
    model = Flier(projection, text, encoder).eval()  # the statistics of CLIP's own norms stay as they are
    _run(model, [(model.head, recipe.phase1.lr)], real, None, replace(recipe, latent_noise=0.0), recipe.phase1, seed)
    moved: list[tuple[Tensor, float]] = [(model.head, recipe.phase2.lr)]
    moved += [(p, recipe.phase2.projection_lr) for p in (model.weight, model.bias) if p is not None]
    moved += [(p, recipe.phase2.lr) for p in (encoder.parameters() if encoder else ())]
    moved += [(p.requires_grad_(), recipe.phase2.block_lr) for p in (model.block.parameters() if model.block else ())]
    _run(model, moved, real, imagined, recipe, recipe.phase2, seed + 1)
    return model.eval().requires_grad_(requires_grad=False)


def _first_encoder(real: Pictures, text: Float[Tensor, "c d"], recipe: Recipe) -> LatentEncoder:
    if recipe.start is not None:
        return copy.deepcopy(recipe.start).requires_grad_()
    channels, height, side = real.latents.shape[1:]
    return LatentEncoder((channels, height, side), text.shape[1], width=recipe.width, depth=recipe.depth)


def _run(
    model: Flier,
    moved: list[tuple[Tensor, float]],
    real: Pictures,
    imagined: Pictures | None,
    recipe: Recipe,
    phase: Phase,
    seed: int,
) -> None:
    """`phase.steps` steps on random batches with cosine decay. Phase 1 moves the head alone, by the image branch."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(
        [{"params": [p], "lr": lr} for p, lr in moved if lr > 0], weight_decay=phase.weight_decay
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, phase.steps)
    alone = len(moved) == 1
    latent, model.latent = model.latent, None if alone else model.latent
    for _ in range(phase.steps):
        batches = [_batch(part, phase.batch, recipe.latent_noise, generator) for part in (real, imagined)]
        loss = joint_loss(model, batches[0] or real, batches[1], recipe.weights, real_share=recipe.real_share)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    model.latent = latent


def _batch(part: Pictures | None, size: int, noise: float, generator: torch.Generator) -> Pictures | None:
    if part is None or not len(part):
        return None
    drawn = part.at(torch.randint(len(part), (size,), generator=generator))
    latents = drawn.latents + noise * torch.randn(drawn.latents.shape, generator=generator)
    return replace(drawn, latents=latents)
