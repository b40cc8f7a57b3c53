"""Checkpoints: safetensors with a JSON note in the header. Nothing is pickled, nothing half-written is left."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from syntrans.errors import InputError
from syntrans.paths import atomic_path


def save(path: Path, tensors: Mapping[str, Tensor], note: Mapping[str, Any]) -> None:
    """Write tensors and a JSON-able note, atomically."""
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    with atomic_path(path) as temporary:
        save_file(plain, str(temporary), metadata={"note": json.dumps(note, sort_keys=True)})


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read tensors and note; raises `InputError` when the file is missing or damaged."""
    try:
        return load_file(str(path)), read_note(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(f"{path} is not a readable checkpoint ({error}); delete it and run again") from error


def read_note(path: Path) -> dict[str, Any]:
    """The note alone, without reading the tensors."""
    try:
        with safe_open(str(path), framework="pt") as file:
            note: dict[str, Any] = json.loads((file.metadata() or {}).get("note", "{}"))
            return note
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(f"{path} is not a readable checkpoint ({error}); delete it and run again") from error


def weights_hash(tensors: Mapping[str, Tensor]) -> str:
    """16 hex over names, shapes and values."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def part(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """Those under `<name>.`, without it."""
    return {key.removeprefix(f"{name}."): value for key, value in tensors.items() if key.startswith(f"{name}.")}


def pack_optimizer(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimizer's state as flat tensors named `<parameter number>.<slot>`."""
    state = optimizer.state_dict()["state"]
    return {f"{i}.{slot}": torch.as_tensor(value) for i, slots in state.items() for slot, value in slots.items()}


def unpack_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """The inverse of `pack_optimizer`."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        i, slot = name.split(".", 1)
        # The layout of the weights (`backbones.place`): sums of tensors of two layouts are slow.
        layout = torch.channels_last if tensor.ndim == 4 else torch.contiguous_format
        state.setdefault(int(i), {})[slot] = tensor.contiguous(memory_format=layout)
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
