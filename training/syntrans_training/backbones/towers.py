"""Encoders of other libraries: `timm:<name>` with fresh weights, `timm:<folder>` and `open_clip:<folder>` with theirs.

A folder holds safetensors and the library's own JSON: `config.json` as timm saves it, `open_clip_config.json`. The
normalisation and the size of the pictures are the model's own; no default ever stands in for them.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from syntrans.errors import InputError, ModelLoadError
from syntrans.files.input_files import read_json
from syntrans.packages.lean_imports import open_clip_for
from syntrans.paths import resolve_model


@dataclass(frozen=True)
class Tower:
    """A model without its classifier, and what it wants to be shown."""

    model: nn.Module
    feature_dim: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    size: int | None  # the only side it takes; None: any


def is_tower(name: str) -> bool:
    """Whether the name is one of these."""
    return name.startswith(("timm:", "open_clip:"))


def open_tower(name: str, *, trained: bool = False) -> Tower:
    """The tower of that name; `trained`: a name of timm's has its weights of the Hub, or of its cache, not fresh ones.

    Raises `ModelLoadError` when there is no such model, its folder has no safetensors, or its JSON does not say how
    pictures are normalised.
    """
    library, _, ref = name.partition(":")
    try:
        if library == "open_clip":
            return _open_clip(resolve_model(ref))
        return _timm_folder(resolve_model(ref)) if _is_folder(ref) else _timm_name(ref, trained=trained)
    except (InputError, OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise ModelLoadError(f"{name}: does not load as an encoder: {error}") from error


def revision(name: str) -> str | None:
    """16 hex over the folder's JSON and weights; None where there is no folder."""
    library, _, ref = name.partition(":")
    if not is_tower(name) or (library == "timm" and not _is_folder(ref)):
        return None
    digest = hashlib.sha256()
    folder = resolve_model(ref)
    for path in sorted([*folder.glob("*.safetensors"), *folder.glob("*config.json")]):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _is_folder(ref: str) -> bool:
    return "/" in ref or ref.startswith("package:") or Path(ref).is_dir()


def _timm_name(name: str, *, trained: bool) -> Tower:
    import timm

    if not timm.is_model(name):
        close = ", ".join(timm.list_models(f"*{name.partition('_')[0]}*")[:5]) or "what timm.list_models() says"
        raise ModelLoadError(f"timm has no model {name!r}; it has: {close}")
    model = timm.create_model(name, pretrained=False, num_classes=0)
    if trained:
        hub = model.pretrained_cfg.get("hf_hub_id")
        if not hub:
            raise ModelLoadError(f"timm knows no trained weights of {name!r}; name their folder, timm:<folder>")
        _load(model, resolve_model(hub))
    return _timm(name, model, model.pretrained_cfg)


def _timm_folder(folder: Path) -> Tower:
    import timm

    config = _read_json(folder / "config.json")
    model = timm.create_model(config["architecture"], **{**config.get("model_args", {}), "num_classes": 0})
    _load(model, folder)
    return _timm(str(folder), model, config.get("pretrained_cfg", {}))


def _load(model: nn.Module, folder: Path) -> None:
    weights = {key: value for path in _weights(folder) for key, value in load_file(str(path)).items()}
    missing, _ = model.load_state_dict(weights, strict=False)  # its classifier is left over
    if missing:
        raise ModelLoadError(f"{folder}: {len(missing)} weights are missing, the first is {missing[0]}")


def _timm(name: str, model: nn.Module, preprocessing: Mapping[str, Any]) -> Tower:
    _require(name, preprocessing, "mean", "std", "input_size")
    dim = int(getattr(model, "head_hidden_size", None) or model.num_features)  # type: ignore[arg-type]
    size = int(preprocessing["input_size"][-1]) if preprocessing.get("fixed_input_size") else None
    return Tower(model, dim, tuple(preprocessing["mean"]), tuple(preprocessing["std"]), size)


def _open_clip(folder: Path) -> Tower:
    _weights(folder)
    config = _read_json(folder / "open_clip_config.json")
    preprocessing, shape = config.get("preprocess_cfg", {}), config["model_cfg"]
    _require(str(folder), preprocessing, "mean", "std")
    model = open_clip_for(folder).create_model(f"local-dir:{folder.resolve()}").float()
    size = int(shape["vision_cfg"]["image_size"])
    return Tower(model.visual, int(shape["embed_dim"]), tuple(preprocessing["mean"]), tuple(preprocessing["std"]), size)


def _require(name: str, preprocessing: Mapping[str, Any], *keys: str) -> None:
    missing = [key for key in keys if not preprocessing.get(key)]
    if missing:
        raise ModelLoadError(
            f"{name}: its configuration does not say {' and '.join(missing)}; add what it was trained with"
        )


def _weights(folder: Path) -> list[Path]:
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise ModelLoadError(f"{folder}: no *.safetensors in the folder; other weight formats are not loaded")
    return files


def _read_json(path: Path) -> dict[str, Any]:
    values: dict[str, Any] = read_json(path, "download the model again")
    return values
