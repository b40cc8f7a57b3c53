"""`syntrans imagine --dry-run`: the model and its terms, how many pictures, their size and time."""

from pathlib import Path

from syntrans.errors import InputError
from syntrans.files.input_files import read_model_json
from syntrans.files.sealed_json import read_sealed_json
from syntrans.paths import artifacts_root
from syntrans.tables import duration
from syntrans_training.config.imagination import ImagineConfig
from syntrans_training.imagination.diffusion_folder import DiffusionFolder, open_folder
from syntrans_training.imagination.imagine import RUN, read_described, required_model
from syntrans_training.imagination.prompts import check_described

_PNG_BYTES = 0.6  # of a pixel's three, as measured on the world's pictures; photographs are near it


def plan(config: ImagineConfig, descriptors: Path, limit: int | None) -> str:
    """What would be done, as text; nothing is loaded, fetched or made."""
    described = read_described(descriptors, config.classes, limit)
    if config.undescribed == "error":
        check_described(described.rows)
    folder = open_folder(required_model(config.model), download=False)
    folder.check(config.steps, config.size)
    pictures = len(described.rows) * config.per_class
    lines = {
        "model": f"{folder.ref} ({folder.pipeline}, {folder.bytes / 2**20:,.1f} MiB, revision {folder.revision})",
        "licence": folder.licence,
        "origin": folder.mirror,
        "pictures": f"{pictures:,} ({len(described.rows)} classes, {config.per_class} each, {config.steps} steps)",
        "size": _size(folder, config.size, pictures),
        "time": _time(folder, pictures),
        "clip": config.clip,
    }
    return "\n".join(f"{name:<10} {value}" for name, value in lines.items())


def _size(folder: DiffusionFolder, size: int | None, pictures: int) -> str:
    channels = read_model_json(folder.path / "unet" / "config.json").get("in_channels", 4)
    side = size or folder.latent_side * folder.factor
    latent = 2 * int(channels) * (side // folder.factor) ** 2
    total = pictures * (side * side * 3 * _PNG_BYTES + latent)
    return f"pictures of {side}x{side}, about {total / 2**20:,.0f} MiB in all, twice that while they are made"


def _time(folder: DiffusionFolder, pictures: int) -> str:
    """By the newest finished run with these weights."""
    runs = sorted((artifacts_root() / "imagine").glob(f"*/{RUN}"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in runs:
        try:
            report = read_sealed_json(path, "remove its folder")
            if report["model"]["revision"] == folder.revision and report["seconds"]["make"] > 0:
                each = report["seconds"]["make"] / report["pictures"]
                return f"about {duration(each * pictures)}, by {path.parent}"
        except (InputError, LookupError, TypeError):
            continue
    return "not known before the first run with this model; try --limit 1"
