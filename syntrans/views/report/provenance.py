"""What made a run, as pairs for the page: a label and a text."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from syntrans.contract.reading import read_metadata
from syntrans.descriptors.run_facts import models_of
from syntrans.errors import InputError

Facts = list[tuple[str, str]]


def facts_of(made_by: Mapping[str, Any]) -> Facts:
    """The block ``made_by`` of a summary: command, commit, machine, versions."""
    hardware = made_by.get("hardware") or {}
    versions = made_by.get("versions") or {}
    facts = [
        ("command", made_by.get("command")),
        ("commit", made_by.get("git_commit")),
        ("machine", machine(hardware)),
        ("versions", listed(versions)),
    ]
    return [(label, str(text)) for label, text in facts if text]


def machine(hardware: Mapping[str, Any]) -> str:
    """GPUs, processor, cores and memory in words; empty when nothing was recorded."""
    gpus, cores, memory = hardware.get("gpus") or (), hardware.get("cores"), hardware.get("memory_gib")
    parts = [*gpus, hardware.get("processor"), cores and f"{cores} cores", memory and f"{memory} GiB"]
    return ", ".join(str(part) for part in parts if part)


def listed(values: Mapping[str, Any]) -> str:
    """A mapping in one line."""
    return ", ".join(f"{name} {value}" for name, value in sorted(values.items()))


def licences_of(descriptors: str | None, packages: Iterable[str | None] = ()) -> str:
    """The licences of the models that made a descriptor file and of weights that came as ``packages``; what is unknown.

    A package that is not installed is left out.
    """
    licences = [] if descriptors is None else [f"descriptors: {_of_descriptors(Path(descriptors))}"]
    stated = {name: _of_package(name) for name in packages if name}
    licences += [f"{name}: {licence}" for name, licence in stated.items() if licence is not None]
    return "; ".join([*licences, "pictures and other weights: not recorded, as their sources say"])


def _of_descriptors(file: Path) -> str:
    try:
        models = models_of((), read_metadata(file))
    except (InputError, OSError, ValueError):  # of a path that is none
        return "the file is gone or has changed"
    return ", ".join(f"{model['name']} {model['licence'] or 'not stated'}" for model in models) or "not stated"


def _of_package(name: str) -> str | None:
    try:
        metadata = importlib.metadata.metadata(name)
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return None
    stated = next((metadata[key] for key in ("License-Expression", "License") if key in metadata), "")
    return (stated.strip() or "not stated").splitlines()[0]
