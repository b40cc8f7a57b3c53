"""CLIP features before the last projection and VAE latents of pictures: what FLIER sees, computed once and cached."""

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from syntrans.errors import InputError
from syntrans.paths import artifacts_root
from syntrans.progress import say
from syntrans_training.data import Split
from syntrans_training.engine import checkpoint
from syntrans_training.flier.model import Pictures, Projection
from syntrans_training.imagination.clip_space import ClipSpace
from syntrans_training.imagination.diffusion_folder import open_folder
from syntrans_training.imagination.imagined_file import Imagined
from syntrans_training.imagination.judge import pixels
from syntrans_training.imagination.latent_diffusion import LatentDiffusion


class Seer:
    """CLIP and the VAE of the model that imagined, opened when something is not in the cache."""

    def __init__(self, clip: ClipSpace, imagined: Imagined, device: torch.device) -> None:
        self.clip, self.imagined, self.device = clip, imagined, device
        self._diffusion: LatentDiffusion | None = None

    @property
    def projection(self) -> Projection:
        """CLIP's own visual projection."""
        return Projection(self.clip.weight, self.clip.bias, self.clip.block)

    @property
    def _clip_key(self) -> str:
        return self.clip.revision + ("" if self.clip.block is None else " before its last block")

    def see(self, split: Split) -> Pictures:
        """The pictures of a split; latents are the VAE's means, scaled, deterministic."""
        key = _key(split.key, self._clip_key, self.imagined.revision)
        before, latents = _cached(
            key, lambda: (self.clip.before_projection(split.pixels), self._opened().encode(split.pixels))
        )
        wanted = self.imagined.rows[0].latent
        if wanted is not None and latents.shape[1:] != wanted.shape:
            raise InputError(
                f"{self.imagined.path}: latents of shape {wanted.shape}, but its model gives real pictures "
                f"{tuple(latents.shape[1:])}; imagine again in the model's own size"
            )
        return Pictures(before, latents, torch.from_numpy(np.array(split.labels)))

    def see_imagined(self, classes: Sequence[str], per_class: int) -> Pictures | None:
        """The kept imagined pictures of some classes; None where none are wanted.

        InputError where the file does not know a class; a class of which it keeps nothing has its real shots alone.
        """
        if not per_class:
            return None
        chosen = self.imagined.of_classes(classes, per_class)
        if not chosen:
            return None
        rows = [row for row, _ in chosen]
        key = _key(self.imagined.sha256, self._clip_key, *(row.picture_id for row in rows))
        latents = torch.from_numpy(np.stack([row.latent for row in rows if row.latent is not None])).float()
        before, _ = _cached(
            key, lambda: (self.clip.before_projection(pixels([row.image or b"" for row in rows])), torch.zeros(1))
        )
        return Pictures(before, latents, torch.tensor([label for _, label in chosen]))

    def _opened(self) -> LatentDiffusion:
        if self._diffusion is None:
            folder = open_folder(self.imagined.model)
            if folder.revision != self.imagined.revision:
                raise InputError(
                    f"{folder.ref} (revision {folder.revision}) is not the model that imagined {self.imagined.path} "
                    f"(revision {self.imagined.revision}); its latents would be scaled otherwise: imagine again"
                )
            self._diffusion = LatentDiffusion(folder, self.device, "fp32" if self.device.type == "cpu" else "auto")
        return self._diffusion


def _cached(key: str, compute: Callable[[], tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    path = artifacts_root() / "cache" / "flier" / f"{key}.safetensors"
    kept = checkpoint.load_matching(path, key)
    if kept is None:
        say(f"computing features and latents into {path}")
        before, latents = compute()
        checkpoint.save(path, {"before": before, "latents": latents}, {"identity": key})
        return before, latents
    return kept[0]["before"], kept[0]["latents"]


def _key(*parts: str) -> str:
    return hashlib.sha256("\n".join(("1", *parts)).encode()).hexdigest()[:16]
