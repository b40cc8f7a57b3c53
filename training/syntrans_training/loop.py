"""One training loop for every task: shuffled epochs, warm-up and cosine, mixed precision, resume, NaN stop.

A task owns its modules and turns a batch of item numbers into named losses; the loop owns everything else.
State is saved after every epoch and every epoch draws its random numbers from (seed, epoch), so a run that was stopped
and started again ends in the same weights, bit for bit on a CPU with the same number of threads.
"""

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from syntrans.errors import UsageError
from syntrans.paths import disk_problem

from . import checkpoint
from .progress import say, track
from .seeding import epoch_generator

WINDOW = 20  # steps between looks at the loss: a look waits for the device


class NanStop(UsageError):
    """The loss is not a number any more; the message names the steps."""


class Task(Protocol):
    """What the loop trains. `module` holds everything to optimise, save and restore."""

    module: nn.Module
    n_items: int

    def losses(self, items: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """Named scalar losses of a batch of item numbers [b]; the loop minimises their sum."""
        ...


@dataclass(frozen=True)
class Recipe:
    """How long and how fast.

    Learning rate: linear warm-up, then step by step a cosine to zero, or with `schedule="steps"` a tenth after each of
    `decay_epochs` (epochs counted from 1, the listed one still at the old rate).
    """

    epochs: int
    batch_size: int
    lr: float
    weight_decay: float = 5e-4
    warmup_epochs: float = 1.0
    optimizer: str = "sgd"
    schedule: str = "cosine"
    decay_epochs: tuple[int, ...] = ()
    precision: str = "fp32"
    seed: int = 0


def fit(
    task: Task,
    recipe: Recipe,
    *,
    device: torch.device,
    state_file: Path,
    identity: str,
    metrics_file: Path,
    after_epoch: Callable[[int], dict[str, float]] | None = None,
) -> None:
    """Train `task.module` in place.

    `state_file` is written after every epoch and taken up again when its note carries the same `identity`.
    `metrics_file` gets one JSON line an epoch; `after_epoch(epoch)` may add numbers to it.
    Raises `NanStop` when the loss is not finite.
    """
    optimizer = _optimizer(task.module, recipe)
    steps_per_epoch = max(1, task.n_items // recipe.batch_size)
    start = _resume(task.module, optimizer, state_file, identity, device)
    with track("train", recipe.epochs * steps_per_epoch, "steps") as progress:
        progress.advance(start * steps_per_epoch)
        for epoch in range(start, recipe.epochs):
            began = time.monotonic()
            losses = _epoch(task, recipe, optimizer, epoch, steps_per_epoch, device, progress.advance)
            seconds = time.monotonic() - began
            row = {"epoch": epoch + 1, **losses, "lr": optimizer.param_groups[0]["lr"], "seconds": round(seconds, 2)}
            row["images_per_s"] = round(steps_per_epoch * recipe.batch_size / seconds, 1)
            row |= after_epoch(epoch + 1) if after_epoch else {}
            _append(metrics_file, row)
            _save(task.module, optimizer, state_file, identity, epoch + 1)


def _epoch(
    task: Task,
    recipe: Recipe,
    optimizer: torch.optim.Optimizer,
    epoch: int,
    steps: int,
    device: torch.device,
    advance: Callable[[int, str], None],
) -> dict[str, float]:
    generator = epoch_generator(recipe.seed, epoch)
    order = torch.randperm(task.n_items, generator=generator)
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bf16")
    task.module.train()
    sums: dict[str, Tensor] = {}
    status = ""
    for step in range(steps):
        now = epoch * steps + step
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(recipe, now, steps)
        # A last incomplete batch is dropped; with fewer items than a batch the only batch is short.
        items = order[step * recipe.batch_size : (step + 1) * recipe.batch_size]
        with autocast:
            named = task.losses(items, generator)
        loss = torch.stack(list(named.values())).sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        for name, value in {**named, "loss": loss}.items():
            sums[name] = sums.get(name, torch.zeros((), device=value.device)) + value.detach().float()
        if (step + 1) % WINDOW == 0 or step + 1 == steps:
            _stop_on_nan(sums["loss"], max(0, now + 1 - WINDOW), now)
            status = f"epoch {epoch + 1}/{recipe.epochs} loss {sums['loss'].item() / (step + 1):.3f}"
        advance(1, status)
    return {name: round(value.item() / steps, 5) for name, value in sums.items()}


def learning_rate(recipe: Recipe, step: int, steps_per_epoch: int) -> float:
    """The learning rate of a step, counted from 0 over the whole run."""
    total, warmup = recipe.epochs * steps_per_epoch, recipe.warmup_epochs * steps_per_epoch
    if step < warmup:
        return recipe.lr * (step + 1) / max(1.0, warmup)
    if recipe.schedule == "steps":
        return recipe.lr * 0.1 ** sum(step >= epoch * steps_per_epoch for epoch in recipe.decay_epochs)
    return recipe.lr * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1.0, total - warmup)))


def _optimizer(module: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    if recipe.optimizer == "sgd-published":
        return torch.optim.SGD(module.parameters(), lr=recipe.lr, momentum=0.9, weight_decay=recipe.weight_decay)
    # Biases and BatchNorm's vectors are not decayed: shrinking a scale does not regularise what follows it.
    groups = [
        {"params": [p for p in module.parameters() if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in module.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=recipe.lr)
    return torch.optim.SGD(groups, lr=recipe.lr, momentum=0.9, nesterov=True)


def _stop_on_nan(total: Tensor, first: int, last: int) -> None:
    if not torch.isfinite(total):
        raise NanStop(
            f"the loss stopped being a number between steps {first} and {last}; lower encoder.lr or set "
            "encoder.precision=fp32 and train again"
        )


def _resume(
    module: nn.Module, optimizer: torch.optim.Optimizer, state_file: Path, identity: str, device: torch.device
) -> int:
    if not state_file.exists():
        return 0
    tensors, note = checkpoint.load(state_file)
    if note.get("identity") != identity:
        say(f"{state_file.name} belongs to another configuration; starting from scratch")
        return 0
    module.load_state_dict({k.removeprefix("module."): v for k, v in tensors.items() if k.startswith("module.")})
    module.to(device)
    slots = {k.removeprefix("optim."): v for k, v in tensors.items() if k.startswith("optim.")}
    checkpoint.unpack_optimizer(optimizer, slots)
    say(f"resuming after epoch {note['epoch']}")
    return int(note["epoch"])


def _save(module: nn.Module, optimizer: torch.optim.Optimizer, state_file: Path, identity: str, epoch: int) -> None:
    tensors = {f"module.{k}": v for k, v in module.state_dict().items()}
    tensors |= {f"optim.{k}": v for k, v in checkpoint.pack_optimizer(optimizer).items()}
    checkpoint.save(state_file, tensors, {"epoch": epoch, "identity": identity})


def _append(path: Path, row: dict[str, float]) -> None:
    # A resumed run may repeat an epoch whose state was lost; readers keep the last line of an epoch.
    # The first epoch begins the file anew: what stood there was another run's.
    try:
        with path.open("w" if row["epoch"] == 1 else "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
    except OSError as error:
        raise disk_problem(path, error) from error
