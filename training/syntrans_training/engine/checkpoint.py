"""Checkpoints: safetensors with a JSON note in the header. Nothing is pickled, nothing half-written is left."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from syntrans.errors import InputError
from syntrans.files.input_files import parse_json
from syntrans.paths import atomic_path
from syntrans.progress import say


def save(path: Path, tensors: Mapping[str, Tensor], note: Mapping[str, Any]) -> None:
    """Write tensors and a JSON-able note, atomically, with what they must hash to."""
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    text = json.dumps(note, sort_keys=True)
    metadata = {"note": text, "note_sha256": _sha256(text), "weights": weights_hash(plain)}
    with atomic_path(path) as temporary:
        save_file(plain, str(temporary), metadata=metadata)
        # safetensors makes the file for its owner alone; it is to be read by whoever reads its neighbours.
        temporary.chmod(0o666 & ~_umask())


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read tensors and note; raises `InputError` when the file is missing or damaged."""
    with _reading(path) as metadata:
        tensors = load_file(str(path))
        if "weights" in metadata and metadata["weights"] != weights_hash(tensors):
            raise ValueError("its tensors do not give their checksum")
        return tensors, _note(metadata)


def read_note(path: Path) -> dict[str, Any]:
    """The note alone, without reading the tensors."""
    with _reading(path) as metadata:
        return _note(metadata)


def load_matching(path: Path, identity: str) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Tensors and note of a file of this identity; None if there is none, or it is damaged, which is said."""
    if not path.exists():
        return None
    try:
        if read_note(path).get("identity") != identity:
            return None
        return load(path)
    except InputError as error:
        say(f"passed over: {error}")
        return None


def load_or_begin(path: Path, identity: str, empty: Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """As `load_matching`; where that is None no tensors, and the note `empty` under this identity."""
    return load_matching(path, identity) or ({}, {"identity": identity, **empty})


@contextmanager
def _reading(path: Path) -> Iterator[dict[str, str]]:
    """The metadata of a file; `InputError` for whatever is wrong with it, then or in the block."""
    if not path.is_file():
        raise InputError(f"{path} is not a file; run `syntrans train` again")
    try:
        with safe_open(str(path), framework="pt") as file:
            metadata = file.metadata() or {}
        yield metadata
    except (SafetensorError, OSError, ValueError, RuntimeError, MemoryError, OverflowError) as error:
        raise InputError(f"{path} is not a readable checkpoint ({error}); delete it and run again") from error


def _note(metadata: Mapping[str, str]) -> dict[str, Any]:
    """Files of earlier versions have a note without a hash."""
    text = metadata.get("note", "{}")
    note = parse_json(text)
    if not isinstance(note, dict) or metadata.get("note_sha256", _sha256(text)) != _sha256(text):
        raise ValueError("its note does not give its checksum")
    return note


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _umask() -> int:
    """The process's mask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


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
