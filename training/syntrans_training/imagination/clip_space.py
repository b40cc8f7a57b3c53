"""An open_clip model in two parts: what comes before its last visual projection, and that projection.

FLIER tunes the projection (ProLIP's form: Fahes et al., arXiv 2410.05270), and the last block where it is asked to;
what comes before is computed once.
"""

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from syntrans.errors import ModelLoadError
from syntrans_training.backbones.towers import open_tower, revision


@dataclass(frozen=True)
class ClipSpace:
    """`trunk` gives [n, p]; a picture's vector is `trunk @ weight.T + bias`, with weight [d, p].

    With `block`, the tower's last one, `trunk` ends before it, and it is `block` that gives [n, p].
    """

    trunk: nn.Module
    weight: Float[Tensor, "d p"]
    bias: Float[Tensor, " d"] | None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    size: int
    revision: str
    device: torch.device
    block: nn.Module | None = None

    @torch.no_grad()
    def before_projection(self, pictures: UInt8[np.ndarray, "n s s 3"], batch: int = 64) -> Float[Tensor, "n ..."]:
        """What `trunk` gives of some pictures."""
        features = []
        mean, std = torch.tensor(self.mean).view(3, 1, 1), torch.tensor(self.std).view(3, 1, 1)
        for start in range(0, len(pictures), batch):
            part = torch.from_numpy(np.array(pictures[start : start + batch])).permute(0, 3, 1, 2).float() / 255
            if part.shape[-1] != self.size:
                part = F.interpolate(part, (self.size, self.size), mode="bicubic", antialias=True).clamp(0, 1)
            features.append(self.trunk(((part - mean) / std).to(self.device)).float().cpu())
        return torch.cat(features)

    def project(self, values: Float[Tensor, "n ..."]) -> Float[Tensor, "n d"]:
        """Unit vectors in CLIP's space."""
        values = values if self.block is None else self.block(values)
        return F.normalize(F.linear(values, self.weight, self.bias), dim=-1)


def open_clip_space(ref: str, device: torch.device, *, last_block: bool = False) -> ClipSpace:
    """Open the CLIP in a folder, with its `last_block` apart where that is asked for.

    ModelLoadError where its image tower does not end with one projection.
    """
    name = f"open_clip:{ref}"
    tower = open_tower(name)
    model = tower.model.eval().requires_grad_(requires_grad=False).to(device)
    weight, bias = _taken_off(ref, model)
    side = tower.size
    if side is None:
        raise ModelLoadError(f"{ref}: its configuration does not say image_size; add what it was trained with")
    trunk, block = _without_last_block(ref, model) if last_block else (model, None)
    return ClipSpace(trunk, weight.cpu(), bias, tower.mean, tower.std, side, revision(name) or "", device, block)


def _taken_off(ref: str, model: nn.Module) -> tuple[Tensor, Tensor | None]:
    """The last projection [d, p] of an image tower, which is left without it."""
    pool = getattr(model, "attnpool", None)
    if pool is not None and hasattr(pool, "c_proj"):  # ResNets
        last = pool.c_proj
        width = last.in_features
        pool.c_proj = nn.Linear(width, width, device=last.weight.device)
        with torch.no_grad():
            pool.c_proj.weight.copy_(torch.eye(width))
            pool.c_proj.bias.zero_()
        pool.requires_grad_(requires_grad=False)
        return last.weight.detach().clone(), None if last.bias is None else last.bias.detach().cpu().clone()
    projection = getattr(model, "proj", None)
    if isinstance(projection, Tensor):  # vision transformers
        model.register_parameter("proj", None)
        return projection.detach().T.contiguous(), None
    raise ModelLoadError(
        f"{ref}: its image tower ({type(model).__name__}) does not end with one projection; take a ViT or a ResNet"
    )


def _without_last_block(ref: str, model: nn.Module) -> tuple[nn.Module, nn.Module]:
    """An image tower up to its last block, and that block with the pooling after it, on the CPU."""
    tower: Any = model
    if hasattr(model, "layer4"):  # ResNets
        block = nn.Sequential(tower.layer4[-1], tower.attnpool).cpu()
        tower.layer4, tower.attnpool = tower.layer4[:-1], nn.Identity()
        return model, block
    if hasattr(model, "_pool") and hasattr(model, "_embeds"):  # open_clip's vision transformers
        last, tower.transformer.resblocks = tower.transformer.resblocks[-1], tower.transformer.resblocks[:-1]
        return _Tokens(model), nn.Sequential(last, _Pool(model)).cpu()
    raise ModelLoadError(f"{ref}: the last block of {type(model).__name__} is not known; set phase2.last_block_lr=0")


class _Tokens(nn.Module):
    """A vision transformer up to the blocks that it still has."""

    def __init__(self, tower: nn.Module) -> None:
        super().__init__()
        self.tower: Any = tower

    def forward(self, x: Float[Tensor, "n 3 s s"]) -> Float[Tensor, "n t p"]:
        """See the class."""
        tokens: Tensor = self.tower.transformer(self.tower._embeds(x))  # noqa: SLF001 - its own first half
        return tokens


class _Pool(nn.Module):
    """What a vision transformer does after its blocks, but for the projection."""

    def __init__(self, tower: nn.Module) -> None:
        super().__init__()
        blocks, tower.transformer = tower.transformer, nn.Identity()
        self.tower: Any = copy.deepcopy(tower)
        tower.transformer = blocks

    def forward(self, x: Float[Tensor, "n t p"]) -> Float[Tensor, "n p"]:
        """See the class."""
        pooled: Tensor = self.tower._pool(x)[0]  # noqa: SLF001 - its own end
        return pooled
