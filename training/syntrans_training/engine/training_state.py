"""Resume checkpoints: weights, optimiser, random numbers and progress, so that the next process takes the next step.

The last two states are kept. A damaged one is said to be, and the one before is taken up.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from syntrans.errors import InputError
from syntrans.progress import say
from syntrans_training.engine import checkpoint


@dataclass
class Training:
    """Everything that changes while a training runs."""

    module: nn.Module
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler  # does nothing unless the precision is fp16
    average: AveragedModel | None
    device: torch.device
    epoch: int = 0
    step: int = 0  # within the epoch
    seconds: float = 0.0  # spent on the epoch's steps
    sums: dict[str, Tensor] = field(default_factory=dict)  # of the epoch's losses
    random: dict[str, Tensor] = field(default_factory=dict)  # states of the generators

    def tensors(self) -> dict[str, Tensor]:
        """Weights, optimizer, average, sums and generators, under names with a prefix each."""
        parts: dict[str, Mapping[str, Tensor]] = {
            "module": self.module.state_dict(),
            "optim": checkpoint.pack_optimizer(self.optimizer),
            "average": self.average.state_dict() if self.average else {},
            "sum": self.sums,
            "random": self.random,
        }
        return {f"{part}.{name}": tensor for part, named in parts.items() for name, tensor in named.items()}

    def note(self) -> dict[str, Any]:
        """The plain numbers of the state, for the file's metadata."""
        scale = self.scaler.state_dict() if self.scaler.is_enabled() else {}
        return {"epoch": self.epoch, "step": self.step, "seconds": self.seconds, "scaler": scale}

    def load(self, tensors: Mapping[str, Tensor], note: Mapping[str, Any]) -> None:
        """The inverse of `tensors` and `note`."""
        self.module.load_state_dict(checkpoint.part(tensors, "module"))
        checkpoint.unpack_optimizer(self.optimizer, checkpoint.part(tensors, "optim"))
        if self.average:
            self.average.load_state_dict(checkpoint.part(tensors, "average"))
        self.sums = {name: value.to(self.device) for name, value in checkpoint.part(tensors, "sum").items()}
        self.random = checkpoint.part(tensors, "random")
        self.epoch, self.step, self.seconds = note["epoch"], note["step"], note["seconds"]
        if note["scaler"]:
            self.scaler.load_state_dict(note["scaler"])

    def keep_random(self, generator: torch.Generator) -> None:
        """Note the generators' states: the batches' own, the global one, and the device's."""
        self.random = {"batches": generator.get_state(), "global": torch.get_rng_state()}
        if self.device.type == "cuda":
            self.random["device"] = torch.cuda.get_rng_state(self.device)

    def set_random(self, generator: torch.Generator, *, first: bool = True) -> None:
        """In the middle of an epoch, put the generators where `keep_random` found them.

        The state is the first process's, and the others keep their own dropout: only what they share is put there.
        """
        if self.step == 0:
            return
        generator.set_state(self.random["batches"])
        if first:
            torch.set_rng_state(self.random["global"])
        if first and self.device.type == "cuda" and "device" in self.random:
            torch.cuda.set_rng_state(self.random["device"], self.device)

    def next_epoch(self) -> None:
        """Go to the first step of the epoch after this."""
        self.epoch, self.step, self.seconds, self.sums = self.epoch + 1, 0, 0.0, {}


def save(training: Training, path: Path, identity: str) -> None:
    """Write the state to `path`; the one that was there becomes the one before."""
    if path.exists() and _read(path):  # a damaged one does not replace the whole one before it
        path.replace(_before(path))
    checkpoint.save(path, training.tensors(), {**training.note(), "identity": identity})


def restore(training: Training, path: Path, identity: str) -> None:
    """Put `training` where the newest whole state of the same identity left it; without one it stays as it is."""
    there = [candidate for candidate in (path, _before(path)) if candidate.exists()]
    for candidate in there:
        state = _read(candidate)
        if state is None:
            say(f"{candidate.name} is damaged; looking for the state before it")
            continue
        tensors, note = state
        if note.get("identity") != identity:
            say(f"{candidate.name} belongs to another configuration; starting from scratch")
        else:
            training.load(tensors, note)
            say(f"resuming from {candidate.name}: epoch {note['epoch'] + 1}, after step {note['step']}")
        return
    if there:
        say("no saved state is whole; starting from scratch")


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Tensors and note of a state; None where it is damaged: `checkpoint.load` holds both against their checksums."""
    try:
        return checkpoint.load(path)
    except InputError:
        return None


def remove(path: Path) -> None:
    """Delete the states of a finished training."""
    path.unlink(missing_ok=True)
    _before(path).unlink(missing_ok=True)


def _before(path: Path) -> Path:
    return path.with_stem(f"{path.stem}-before")
