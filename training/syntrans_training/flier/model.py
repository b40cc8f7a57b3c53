"""FLIER's classifier: CLIP's last visual projection, a latent encoder, and one linear head for both.

docs/method.md (41), (42) and (44):
    v_i = norm(P x + p),  v_l = LatEnc(z),  logits = (1 - b) s v_i W^T + b s v_l W^T

x is what comes before CLIP's last projection P (its last block too, where that is tuned), z the scaled latent, W [C, d]
the head, which begins as the text vectors, s = 100 CLIP's scale. At the test P, p and W may lie between CLIP's and the
trained ones, as in WiSE-FT (Wortsman et al., arXiv 2109.01903). Published: the joint training of image and latent
encoder. Derived: the rest.
"""

import copy
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from syntrans_training.flier.latent_encoder import LatentEncoder

SCALE = 100.0


@dataclass(frozen=True)
class Pictures:
    """Pictures as FLIER sees them: before the projection [n, p] or the last block, latents [n, c, h, w], labels [n]."""

    before: Float[Tensor, "n ..."]
    latents: Float[Tensor, "n c h w"]
    labels: Int[Tensor, " n"]

    def __len__(self) -> int:
        return len(self.labels)

    def at(self, index: Int[Tensor, " m"]) -> "Pictures":
        """The pictures of these numbers."""
        return Pictures(self.before[index], self.latents[index], self.labels[index])


@dataclass(frozen=True)
class Projection:
    """CLIP's last visual projection: weight [d, p], bias [d] or None; with `block`, the last one, before it."""

    weight: Float[Tensor, "d p"]
    bias: Float[Tensor, " d"] | None
    block: nn.Module | None = None

    def __call__(self, before: Float[Tensor, "n ..."]) -> Float[Tensor, "n d"]:
        """Unit vectors."""
        return F.normalize(F.linear(self.pooled(before), self.weight, self.bias), dim=-1)

    def pooled(self, before: Float[Tensor, "n ..."]) -> Float[Tensor, "n p"]:
        """What the projection is given."""
        return before if self.block is None else self.block(before)


class Flier(nn.Module):
    """Zhou, Zhou, Pan, "FLIER: Few-shot Language Image Models Embedded with Latent Representations" (2024).

    https://arxiv.org/abs/2410.07648; equations at the head of this module.

    Args:
        projection: CLIP's own, where training begins.
        text: [C, d] unit vectors of the classes, where the head begins.
        latent: None leaves the latent branch out.
    """

    def __init__(self, projection: Projection, text: Float[Tensor, "c d"], latent: LatentEncoder | None) -> None:
        super().__init__()
        self.weight = nn.Parameter(projection.weight.clone())
        self.bias = None if projection.bias is None else nn.Parameter(projection.bias.clone())
        self.block = copy.deepcopy(projection.block)
        self.head = nn.Parameter(text.clone())
        self.latent = latent

    def towards(
        self, projection: Projection, text: Float[Tensor, "c d"], share: float, start: LatentEncoder | None = None
    ) -> "Flier":
        """`share` of what training changed (WiSE-FT) in head and projection, and in a latent encoder that began with
        `start`; one that was drawn at random stays as it was trained.
        """
        pairs = [(self.weight, projection.weight), (self.bias, projection.bias), (self.head, text)]
        weight, bias, head = (
            None if old is None or new is None else torch.lerp(old, new.detach(), share) for new, old in pairs
        )
        assert weight is not None
        assert head is not None
        block = copy.deepcopy(self.block)
        if block is not None and projection.block is not None:
            for new, old in zip(block.parameters(), projection.block.parameters(), strict=True):
                new.data.lerp_(old.data, 1 - share)
        latent = self.latent
        if latent is not None and start is not None:
            latent = copy.deepcopy(latent)
            for new, old in zip(latent.parameters(), start.parameters(), strict=True):
                new.data.lerp_(old.data, 1 - share)
        return Flier(Projection(weight, bias, block), head, latent).eval()

    def image_logits(self, before: Float[Tensor, "n ..."]) -> Float[Tensor, "n classes"]:
        """Logits of the image branch."""
        return SCALE * Projection(self.weight, self.bias, self.block)(before) @ self.head.T

    def latent_logits(self, latents: Float[Tensor, "n c h w"]) -> Float[Tensor, "n classes"]:
        """Logits of the latent branch; zeros where there is none."""
        if self.latent is None:
            return latents.new_zeros(len(latents), len(self.head))
        vectors: Tensor = self.latent(latents)
        return SCALE * vectors @ self.head.T


@dataclass(frozen=True)
class LossWeights:
    """What fused, image-only and latent-only logits count, and the latent branch's share in the fused ones."""

    fused: float
    image: float
    latent: float
    fusion: float


def branch_loss(model: Flier, pictures: Pictures, weights: LossWeights) -> Float[Tensor, ""]:
    """Cross-entropy on the fused, image-only and latent-only logits; the first and last need a latent branch."""
    image = model.image_logits(pictures.before)
    loss = weights.image * F.cross_entropy(image, pictures.labels)
    if model.latent is None:
        return loss + weights.fused * F.cross_entropy(image, pictures.labels)
    latent = model.latent_logits(pictures.latents)
    fused = (1 - weights.fusion) * image + weights.fusion * latent
    return (
        loss
        + weights.fused * F.cross_entropy(fused, pictures.labels)
        + weights.latent * F.cross_entropy(latent, pictures.labels)
    )


def joint_loss(
    model: Flier, real: Pictures, imagined: Pictures | None, weights: LossWeights, *, real_share: float
) -> Float[Tensor, ""]:
    """`real_share` of the real pictures' loss, the rest of the imagined ones'; of the real ones alone without them."""
    if imagined is None:
        return branch_loss(model, real, weights)
    of_real, of_imagined = (branch_loss(model, pictures, weights) for pictures in (real, imagined))
    return real_share * of_real + (1 - real_share) * of_imagined


@torch.no_grad()
def branches(model: Flier, pictures: Pictures) -> tuple[Float[Tensor, "n classes"], Float[Tensor, "n classes"]]:
    """Image and latent logits of a trained model."""
    model.eval()
    return model.image_logits(pictures.before), model.latent_logits(pictures.latents)
