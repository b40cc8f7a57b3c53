"""The vision tower of the world's Qwen2.5-VL, trained on attribute heads, with a batched forward for equal pictures."""

from typing import Any

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn
from torch.nn import functional

from syntrans_world.build.schedule import optimise
from syntrans_world.spec import SLOTS, VALUES

PATCH, MERGE = 8, 2
MEAN = STD = (0.5, 0.5, 0.5)


def patches(pictures: UInt8[Tensor, "b 3 64 64"]) -> Float[Tensor, "b 64 384"]:
    """Pictures uint8 [B, 3, 64, 64] -> Qwen2-VL patches [B, 64, 384], in merge-block order, the frame doubled."""
    batch = pictures.shape[0]
    side = 64 // PATCH // MERGE
    x = (pictures.float() / 255 - 0.5) / 0.5
    x = x[:, None].expand(-1, 2, -1, -1, -1).reshape(batch, 2, 3, side, MERGE, PATCH, side, MERGE, PATCH)
    return x.permute(0, 3, 6, 4, 7, 2, 1, 5, 8).reshape(batch, 64, -1)


def _axial_angles(visual: Any) -> tuple[Tensor, Tensor]:
    """Cos and sin [64, head_dim] of one picture's patches in merge-block order."""
    side = 64 // PATCH
    row, column = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")

    def order(grid: Tensor) -> Tensor:
        return grid.reshape(side // MERGE, MERGE, side // MERGE, MERGE).permute(0, 2, 1, 3).reshape(-1)

    where = torch.stack([order(row), order(column)], dim=-1)
    return visual.rotary_pos_emb(torch.zeros(1), where)  # type: ignore[no-any-return]


def encode(visual: Any, pictures: UInt8[Tensor, "b 3 64 64"]) -> Float[Tensor, "b 16 out"]:
    """Image tokens [B, 16, out] of pictures uint8 [B, 3, 64, 64]; equals `visual(...)` (checked by `agrees`).

    All pictures have one size, so attention runs in one batch; the patch embedding is a plain product (the backward
    of Conv3d is very slow on CPUs).
    """
    from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import apply_rotary_pos_emb_vision

    batch = pictures.shape[0]
    x = functional.linear(patches(pictures), visual.patch_embed.proj.weight.flatten(1))
    cos, sin = _axial_angles(visual)
    for block in visual.blocks:
        attention = block.attn
        qkv = attention.qkv(block.norm1(x)).reshape(batch, 64, 3, attention.num_heads, -1)
        query, key = apply_rotary_pos_emb_vision(qkv[:, :, 0], qkv[:, :, 1], cos, sin)
        scores = query.transpose(1, 2) @ key.permute(0, 2, 3, 1) * attention.scaling
        mixed = (scores.softmax(-1) @ qkv[:, :, 2].transpose(1, 2)).transpose(1, 2).reshape(batch, 64, -1)
        x = x + attention.proj(mixed)
        x = x + block.mlp(block.norm2(x))
    return visual.merger(x).reshape(batch, 16, -1)  # type: ignore[no-any-return]


@torch.no_grad()
def agrees(visual: Any, pictures: UInt8[Tensor, "b 3 64 64"]) -> float:
    """Largest absolute difference between `encode` and the library's own forward."""
    grid = torch.tensor([[1, 64 // PATCH, 64 // PATCH]] * len(pictures))
    theirs = visual(patches(pictures).flatten(0, 1), grid_thw=grid)
    tokens = theirs if isinstance(theirs, Tensor) else getattr(theirs, "pooler_output", None)
    if tokens is None:
        tokens = theirs.last_hidden_state
    if isinstance(tokens, (list, tuple)):
        tokens = torch.cat(list(tokens))
    return (tokens.reshape(len(pictures), 16, -1) - encode(visual, pictures)).abs().max().item()


class AttributeHeads(nn.Module):
    """One linear head per slot on the mean image token; used in training alone."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.heads = nn.ModuleList([nn.Linear(dim, len(VALUES[slot])) for slot in SLOTS])

    def loss(self, tokens: Float[Tensor, "b 16 dim"], attributes: Int[Tensor, "b slots"]) -> Float[Tensor, ""]:
        """Mean cross-entropy over slots; tokens [B, 16, dim], attributes [B, 6]."""
        pooled = tokens.mean(1)
        return torch.stack(
            [functional.cross_entropy(head(pooled), attributes[:, i]) for i, head in enumerate(self.heads)]
        ).mean()

    @torch.no_grad()
    def accuracy(self, tokens: Float[Tensor, "b 16 dim"], attributes: Int[Tensor, "b slots"]) -> dict[str, float]:
        """Accuracy per slot."""
        pooled = tokens.mean(1)
        return {
            slot: (self.heads[i](pooled).argmax(-1) == attributes[:, i]).float().mean().item()
            for i, slot in enumerate(SLOTS)
        }


def train_vision(
    visual: Any,
    pictures: UInt8[Tensor, "n 3 64 64"],
    attributes: Int[Tensor, "n slots"],
    *,
    steps: int,
    batch: int = 64,
) -> AttributeHeads:
    """Train the tower and its heads in place; returns the heads."""
    heads = AttributeHeads(visual.merger.mlp[-1].out_features)
    generator = torch.Generator().manual_seed(5)

    def losses() -> dict[str, Tensor]:
        index = torch.randint(len(pictures), (batch,), generator=generator)
        return {"attributes": heads.loss(encode(visual, pictures[index]), attributes[index])}

    optimise("vlm vision", [*visual.parameters(), *heads.parameters()], losses, steps=steps, lr=1.5e-3, warmup=150)
    return heads
