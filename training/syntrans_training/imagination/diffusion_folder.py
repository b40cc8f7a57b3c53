"""What may be known of a diffusion model's folder without loading it, and what is refused before it is loaded."""

import hashlib
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from syntrans.errors import InputError, ModelLoadError, UsageError
from syntrans.files.input_files import read_json, read_model_json
from syntrans.paths import is_hub_id, resolve_model

# Names in model_index.json that stand for diffusers' own modules; anything else would be code of the folder.
_LIBRARIES = {"diffusers", "transformers", "stable_diffusion"}
_OFFICIAL = {"stabilityai", "runwayml", "compvis", "stable-diffusion-v1-5", "black-forest-labs"}
_LICENCE = re.compile(r"^(license(?:_name)?):\s*[\"']?([\w.+-]+)", re.MULTILINE)
_EIGHT = 8  # diffusers' pipelines refuse other sides


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
        """What the folder says about it: of a licence that the Hub has no word for, its own name."""
        card = self.path / "README.md"
        text = card.read_text(encoding="utf-8", errors="replace") if card.is_file() else ""
        stated = {match[1]: match[2] for match in reversed(list(_LICENCE.finditer(text)))}
        if stated:
            named = stated.get("license_name")
            return named if named and stated.get("license", "other") == "other" else stated["license"]
        return "see LICENSE in the folder" if (self.path / "LICENSE").is_file() else "not stated in the folder"

    @property
    def mirror(self) -> str:
        """Whether a model of the Hub comes from its makers."""
        if Path(self.ref).is_dir() or self.ref.startswith("package:") or not is_hub_id(self.ref):
            return "a local folder"
        owner = self.ref.partition("/")[0].lower()
        return "of its makers" if owner in _OFFICIAL else f"an unofficial copy, by {owner}: compare it with its makers'"

    @property
    def factor(self) -> int:
        """Pixels of a picture's side for each of its latent's."""
        vae = read_model_json(self.path / "vae" / "config.json")
        return int(2 ** (len(vae.get("block_out_channels") or vae.get("encoder_block_out_channels") or [0] * 4) - 1))

    @property
    def latent_side(self) -> int:
        """Side of the latents that the model was trained on; ModelLoadError where they are no squares."""
        stated = read_model_json(self.path / "unet" / "config.json").get("sample_size") or 64
        sides = set(stated) if isinstance(stated, list) else {stated}
        side = sides.pop()
        if sides or not isinstance(side, int):
            raise ModelLoadError(f"{self.ref}: its UNet has a sample_size of {stated}; only squares are imagined")
        return side

    def check(self, steps: int, size: int | None) -> None:
        """UsageError for steps or a side that this model's pipeline would refuse."""
        schedule = read_model_json(self.path / "scheduler" / "scheduler_config.json")
        most, cells = schedule.get("num_train_timesteps"), math.lcm(_EIGHT, self.factor)
        if isinstance(most, int) and steps > most:
            raise UsageError(f"{self.ref} was trained on {most} denoising steps, {steps} are more; lower steps")
        if size is not None and size % cells:
            raise UsageError(f"pictures of {self.ref} have sides of {cells}, {2 * cells}, ... pixels; set size so")
        self.latent_side  # noqa: B018 - whether it is one


def open_folder(ref: str, *, download: bool = True) -> DiffusionFolder:
    """Check the folder behind a reference.

    ModelLoadError where it is no latent diffusion model with a UNet, its weights are no safetensors, or it would run
    code of its own.
    """
    path = resolve_model(ref, download=download)
    try:
        index: Any = read_json(path / "model_index.json", "download the model again")
    except InputError as error:
        raise ModelLoadError(f"{ref}: no diffusers pipeline: {error}") from error
    if not _names_parts(index):
        raise ModelLoadError(f"{ref}: no diffusers pipeline: model_index.json is not as diffusers writes it")
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


def _names_parts(index: object) -> bool:
    """Whether every list of a model_index.json is a library and a class, or twice null."""
    return isinstance(index, dict) and all(
        len(value) == 2 and all(isinstance(name, str | None) for name in value)
        for value in index.values()
        if isinstance(value, list)
    )


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
