"""What may be known of a diffusion model's folder without loading it, and what is refused before it is loaded."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from syntrans.errors import InputError, ModelLoadError
from syntrans.files.input_files import read_json
from syntrans.paths import is_hub_id, resolve_model

# Names in model_index.json that stand for diffusers' own modules; anything else would be code of the folder.
_LIBRARIES = {"diffusers", "transformers", "stable_diffusion"}
_OFFICIAL = {"stabilityai", "runwayml", "compvis", "stable-diffusion-v1-5", "black-forest-labs"}
_LICENCE = re.compile(r"^license(?:_name)?:\s*([\w.+-]+)", re.MULTILINE)


@dataclass(frozen=True)
class DiffusionFolder:
    """A checked folder: what it is called, where it lies, its kind of pipeline, the hash of its files."""

    ref: str
    path: Path
    pipeline: str
    revision: str
    bytes: int

    @property
    def licence(self) -> str:
        """What the folder says about it."""
        card = self.path / "README.md"
        stated = _LICENCE.search(card.read_text(encoding="utf-8", errors="replace")) if card.is_file() else None
        if stated:
            return stated.group(1)
        return "see LICENSE in the folder" if (self.path / "LICENSE").is_file() else "not stated in the folder"

    @property
    def mirror(self) -> str:
        """Whether a model of the Hub comes from its makers."""
        if Path(self.ref).is_dir() or self.ref.startswith("package:") or not is_hub_id(self.ref):
            return "a local folder"
        owner = self.ref.partition("/")[0].lower()
        return "of its makers" if owner in _OFFICIAL else f"an unofficial copy, by {owner}: compare it with its makers'"


def open_folder(ref: str, *, download: bool = True) -> DiffusionFolder:
    """Check the folder behind a reference.

    ModelLoadError where it is no latent diffusion model with a UNet, its weights are no safetensors, or it would run
    code of its own.
    """
    path = resolve_model(ref, download=download)
    try:
        index: dict[str, Any] = read_json(path / "model_index.json", "download the model again")
    except InputError as error:
        raise ModelLoadError(f"{ref}: no diffusers pipeline: {error}") from error
    kind = index.get("_class_name")
    parts = {name: value for name, value in index.items() if isinstance(value, list) and value[0] is not None}
    foreign = sorted(name for name, value in parts.items() if value[0] not in _LIBRARIES)
    if not isinstance(kind, str) or foreign:
        raise ModelLoadError(f"{ref}: {foreign or kind} would run code of that folder; only diffusers' own is run")
    for part in ("unet", "vae"):
        if part not in parts:
            has = ", ".join(sorted(parts)) or "nothing"
            raise ModelLoadError(f"{ref}: {kind} has no {part} (it has {has}); name a latent diffusion model with both")
    for part in ("unet", "vae", "text_encoder"):
        if part in parts and not any((path / part).glob("*.safetensors")):
            raise ModelLoadError(f"{ref}: no *.safetensors in {part}/; other weight formats are not loaded")
    return DiffusionFolder(ref, path, kind, *_hash(path))


def _hash(path: Path) -> tuple[str, int]:
    """16 hex over the parts' JSON and weights, and their size in bytes."""
    digest, size = hashlib.sha256(), 0
    files = [*path.glob("*/*.safetensors"), *path.glob("*/*.json"), path / "model_index.json"]
    for file in sorted(files):
        digest.update(file.relative_to(path).as_posix().encode())
        with file.open("rb") as opened:
            while data := opened.read(2**20):
                digest.update(data)
                size += len(data)
    return digest.hexdigest()[:16], size
