"""An open_clip model in two parts: what comes before its last visual projection, and that projection.

FLIER tunes the projection alone (ProLIP's form: Fahes et al., arXiv 2410.05270), so what comes before is computed once.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from syntrans.errors import ModelLoadError
from syntrans_training.backbones.towers import open_tower, revision


@dataclass(frozen=True)
class ClipSpace:
    """`trunk` gives [n, p]; a picture's vector is `trunk @ weight.T + bias`, with weight [d, p]."""

    trunk: nn.Module
    weight: Float[Tensor, "d p"]
    bias: Float[Tensor, " d"] | None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    size: int
    revision: str
    device: torch.device

    @torch.no_grad()
    def before_projection(self, pictures: UInt8[np.ndarray, "n s s 3"], batch: int = 64) -> Float[Tensor, "n p"]:
        """What the projection is given of some pictures."""
        found = []
        mean, std = torch.tensor(self.mean).view(3, 1, 1), torch.tensor(self.std).view(3, 1, 1)
        for start in range(0, len(pictures), batch):
            part = torch.from_numpy(np.array(pictures[start : start + batch])).permute(0, 3, 1, 2).float() / 255
            if part.shape[-1] != self.size:
                part = F.interpolate(part, (self.size, self.size), mode="bicubic", antialias=True).clamp(0, 1)
            found.append(self.trunk(((part - mean) / std).to(self.device)).float().cpu())
        return torch.cat(found)

    def project(self, values: Float[Tensor, "n p"]) -> Float[Tensor, "n d"]:
        """Unit vectors in CLIP's space."""
        return F.normalize(F.linear(values, self.weight, self.bias), dim=-1)


def open_clip_space(ref: str, device: torch.device) -> ClipSpace:
    """Open the CLIP in a folder; ModelLoadError where its image tower does not end with one projection."""
    name = f"open_clip:{ref}"
    tower = open_tower(name)
    model = tower.model.eval().requires_grad_(requires_grad=False).to(device)
    weight, bias = _taken_off(ref, model)
    side = tower.size
    if side is None:
        raise ModelLoadError(f"{ref}: its configuration does not say image_size; add what it was trained with")
    return ClipSpace(model, weight.cpu(), bias, tower.mean, tower.std, side, revision(name) or "", device)


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
