"""What made a run, as pairs for the page: a label and a text."""

from __future__ import annotations

from collections.abc import Mapping
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
    found = [
        ("command", made_by.get("command")),
        ("commit", made_by.get("git_commit")),
        ("machine", machine(hardware)),
        ("versions", listed(versions)),
    ]
    return [(label, str(text)) for label, text in found if text]


def machine(hardware: Mapping[str, Any]) -> str:
    """GPUs, processor, cores and memory in words; empty when nothing was recorded."""
    gpus, cores, memory = hardware.get("gpus") or (), hardware.get("cores"), hardware.get("memory_gib")
    parts = [*gpus, hardware.get("processor"), cores and f"{cores} cores", memory and f"{memory} GiB"]
    return ", ".join(str(part) for part in parts if part)


def listed(values: Mapping[str, Any]) -> str:
    """A mapping in one line."""
    return ", ".join(f"{name} {value}" for name, value in sorted(values.items()))


def licences_of(descriptors: str | None) -> str:
    """The licences of the models that made a descriptor file, and what is not known of the rest."""
    rest = "pictures and encoders: not recorded, as their sources say"
    if descriptors is None:
        return rest
    try:
        models = models_of((), read_metadata(Path(descriptors)))
    except (InputError, OSError, ValueError):  # of a path that is none
        return f"descriptors: the file is gone or has changed; {rest}"
    stated = "; ".join(f"{model['name']}: {model['licence'] or 'not stated'}" for model in models)
    return f"descriptors: {stated or 'not stated'}; {rest}"
