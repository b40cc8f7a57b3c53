"""CLIP features before the last projection and VAE latents of pictures: what FLIER sees, computed once and cached."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from syntrans.classes.entries import ClassEntry
from syntrans.classes.match import match
from syntrans.contract.imagined import IMAGINED, ImaginedRow, read_imagined
from syntrans.errors import InputError, UsageError
from syntrans.paths import artifacts_root, newest
from syntrans.progress import say
from syntrans.provenance import file_sha256
from syntrans_training.data import Split
from syntrans_training.engine import checkpoint
from syntrans_training.flier.model import Pictures, Projection
from syntrans_training.imagination.clip_space import ClipSpace
from syntrans_training.imagination.diffusion_folder import open_folder
from syntrans_training.imagination.judge import pixels
from syntrans_training.imagination.latent_diffusion import LatentDiffusion


@dataclass(frozen=True)
class Imagined:
    """A file of imagined pictures: where it is, its hash, its kept rows, and all of its classes."""

    path: Path
    sha256: str
    rows: tuple[ImaginedRow, ...]
    classes: tuple[ClassEntry, ...]
    model: str
    revision: str

    def ids_of(self, classes: Sequence[str]) -> dict[str, str]:
        """Which class of the file each of `classes` is; InputError where one is not there, or could be several."""
        matches = match([ClassEntry(c, c) for c in classes], list(self.classes), str(self.path))
        if matches.missing:
            names = ", ".join(entry.name for entry in matches.missing[:5])
            raise InputError(
                f"{self.path} has no picture of {len(matches.missing)} of {len(classes)} classes ({names}); "
                "imagine them too, or name another file: --set imagined=DIR"
            )
        return matches.found


def open_imagined(given: str | None) -> Imagined:
    """The file that is named, else the newest. InputError where latents differ in shape, or none is kept."""
    path = newest("imagine", IMAGINED) if given is None else Path(given).expanduser()
    if path is None:
        raise UsageError(
            "there are no imagined pictures; run `syntrans imagine` first, or name them: --set imagined=DIR"
        )
    path = path / IMAGINED if path.is_dir() else path
    rows, meta = read_imagined(path)
    kept = tuple(row for row in rows if row.kept and row.latent is not None and row.image is not None)
    shapes = {row.latent.shape for row in kept if row.latent is not None}
    if len(shapes) != 1:
        told = ", ".join("x".join(map(str, shape)) for shape in sorted(shapes)) or "none kept"
        raise InputError(f"{path}: latents of one shape are needed, there are {told}; imagine again with one model")
    classes = {row.class_id: ClassEntry(row.class_id, row.class_name) for row in rows}
    return Imagined(
        path, file_sha256(path), kept, tuple(classes.values()), meta.get("model", ""), meta.get("revision", "")
    )


class Seer:
    """CLIP and the VAE of the model that imagined, opened when something is not in the cache."""

    def __init__(self, clip: ClipSpace, imagined: Imagined, device: torch.device) -> None:
        self.clip, self.imagined, self.device = clip, imagined, device
        self._diffusion: LatentDiffusion | None = None

    @property
    def projection(self) -> Projection:
        """CLIP's own visual projection."""
        return Projection(self.clip.weight, self.clip.bias)

    def see(self, split: Split) -> Pictures:
        """The pictures of a split; latents are the VAE's means, scaled, deterministic."""
        key = _key(split.key, self.clip.revision, self.imagined.revision)
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
        ids = self.imagined.ids_of(classes)
        chosen: list[tuple[ImaginedRow, int]] = []
        for label, c in enumerate(classes):
            own = [row for row in self.imagined.rows if row.class_id == ids[c]]
            chosen += [(row, label) for row in own[:per_class]]
        without = sorted({*range(len(classes))} - {label for _, label in chosen})
        if without:
            names = ", ".join(classes[label] for label in without[:5])
            say(f"no imagined picture is kept of {len(without)} of {len(classes)} classes ({names}): real shots alone")
        if not chosen:
            return None
        rows = [row for row, _ in chosen]
        key = _key(self.imagined.sha256, self.clip.revision, *(row.picture_id for row in rows))
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
    found = checkpoint.load_matching(path, key)
    if found is None:
        say(f"computing features and latents into {path}")
        before, latents = compute()
        checkpoint.save(path, {"before": before, "latents": latents}, {"identity": key})
        return before, latents
    return found[0]["before"], found[0]["latents"]


def _key(*parts: str) -> str:
    return hashlib.sha256("\n".join(("1", *parts)).encode()).hexdigest()[:16]
