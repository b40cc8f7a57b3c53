"""One training loop for every task: shuffled epochs, learning rates, mixed precision, weight average, resume, NaN stop.

A task owns its modules and turns a batch of item numbers into named losses; the loop owns everything else.
A run that is stopped at any step and started again ends in the same weights, bit for bit on a CPU with the same number
of threads: every epoch draws its numbers from (seed, epoch), and `training_state.py` keeps where in it a run stopped.
Launched as several processes (`accelerate launch`), each takes its part of every batch and the first one writes.
"""

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Int
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from syntrans.errors import UsageError
from syntrans.progress import Tracker, track
from syntrans_training.engine import training_state as state
from syntrans_training.engine.devices import autocast, epoch_generator
from syntrans_training.engine.distributed import Processes, join, spread
from syntrans_training.engine.interrupts import deferred
from syntrans_training.engine.metrics_log import Log
from syntrans_training.engine.training_state import Training

WINDOW = 20  # steps between looks at the loss: a look waits for the device


class NanStop(UsageError):
    """The loss is not a number any more; the message names the steps."""


@runtime_checkable
class Objective(Protocol):
    """What the loop trains. `module` holds everything to optimise, save and restore."""

    module: nn.Module
    n_items: int

    def losses(self, items: Int[Tensor, " b"], generator: torch.Generator) -> dict[str, Tensor]:
        """Named scalar losses of a batch of item numbers [b]; the loop minimises their sum."""
        ...


@dataclass(frozen=True)
class Recipe:
    """Hyper-parameters of a training run: epochs, batch, optimiser, schedule, precision.

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
    compiled: bool = False
    ema: float = 0.0  # decay per step of the average of the weights that is kept in their place; 0: none is
    save_minutes: float = 5.0  # between states within an epoch; the end of an epoch always leaves one
    seed: int = 0


def fit(
    task: Objective,
    recipe: Recipe,
    *,
    device: torch.device,
    state_file: Path,
    identity: str,
    metrics_file: Path,
    after_epoch: Callable[[int, nn.Module], dict[str, float]] | None = None,
    at_start: Callable[[nn.Module], dict[str, float]] | None = None,
) -> None:
    """Train `task.module` in place.

    `state_file` is taken up again when its note carries the same `identity`. `metrics_file` gets a JSON line an epoch,
    to which `after_epoch(epoch, module)` may add numbers; those of `at_start(module)` are the line of epoch 0. SIGINT
    and SIGTERM save the state after the step they came in and raise `KeyboardInterrupt`. Raises `NanStop` when the loss
    is not finite.
    """
    processes = join(device)
    training = _start(task, recipe, device)
    state.restore(training, state_file, identity)
    run = _Run(task, recipe, training, processes, lambda: state.save(training, state_file, identity))
    fresh = training.epoch == training.step == 0
    log = Log(metrics_file, -1 if fresh else training.epoch) if processes.first else None
    if log and fresh and at_start:
        with _eagerly(recipe):
            log.add({"epoch": 0, **at_start(run.result)})
    done = (training.epoch * run.steps + training.step) * run.batch
    with deferred() as interrupted, track("train", recipe.epochs * run.steps * run.batch, "images", done) as bar:
        while training.epoch < recipe.epochs:
            row = run.epoch(interrupted, bar)
            if log:
                with _eagerly(recipe):
                    log.add(row | (after_epoch(training.epoch + 1, run.result) if after_epoch else {}))
            training.next_epoch()
            run.save()
        if run.stop(interrupted):
            raise KeyboardInterrupt
    task.module.load_state_dict(run.result.state_dict())


def _start(task: Objective, recipe: Recipe, device: torch.device) -> Training:
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = True  # all batches have one shape: the search for kernels pays
    average = None
    if recipe.ema:
        rule = get_ema_multi_avg_fn(recipe.ema)  # type: ignore[no-untyped-call]
        average = AveragedModel(task.module, multi_avg_fn=rule, use_buffers=True)
    scaler = torch.amp.GradScaler(device.type, enabled=recipe.precision == "fp16")
    return Training(task.module, _optimizer(task.module, recipe), scaler, average, device)


def _eagerly(recipe: Recipe) -> AbstractContextManager[object]:
    """Within, what was compiled runs as it was written: a look at val takes seconds, to compile it again minutes."""
    return torch.compiler.set_stance("force_eager") if recipe.compiled else nullcontext()


class _Step(nn.Module):
    """A task's losses as a forward pass, so that it can be spread over processes."""

    def __init__(self, task: Objective) -> None:
        super().__init__()
        self.module, self.losses = task.module, task.losses

    def forward(self, items: Int[Tensor, " b"], generator: torch.Generator) -> dict[str, Tensor]:
        """The task's named losses."""
        return self.losses(items, generator)


class _Run:
    """This process's way through the epochs of a training."""

    def __init__(
        self, task: Objective, recipe: Recipe, training: Training, processes: Processes, write: Callable[[], None]
    ) -> None:
        self.recipe, self.training, self.processes, self.write = recipe, training, processes, write
        self.n_items = task.n_items
        # A last incomplete batch is dropped; with fewer items than a batch the only batch is short.
        self.steps, self.batch = max(1, task.n_items // recipe.batch_size), min(task.n_items, recipe.batch_size)
        if self.batch % processes.count:
            raise UsageError(f"{processes.count} processes cannot share batches of {self.batch}; set batch_size")
        if recipe.compiled:
            for child in task.module.children():
                child.compile()
        step = _Step(task)
        self.losses = spread(step) if processes.count > 1 else step
        self.generator = torch.Generator()
        self.saved, self.looked = time.monotonic(), training.step

    @property
    def result(self) -> nn.Module:
        """What the training has come to: the module, or its average."""
        module: nn.Module = self.training.average.module if self.training.average else self.training.module
        return module

    def epoch(self, interrupted: Callable[[], bool], bar: Tracker) -> dict[str, float]:
        """Take the steps of the epoch that are left; its row of numbers."""
        now = self.training
        self.generator = epoch_generator(self.recipe.seed, now.epoch, self.processes.rank)
        order = torch.randperm(self.n_items, generator=self.generator)
        now.set_random(self.generator, first=self.processes.first)
        now.module.train()
        began, self.looked, status = time.monotonic() - now.seconds, now.step, ""
        while now.step < self.steps:
            if self.stop(interrupted):
                raise KeyboardInterrupt
            named = self._step(order[now.step * self.batch : (now.step + 1) * self.batch])
            for name, value in named.items():
                now.sums[name] = now.sums.get(name, torch.zeros((), device=value.device)) + value.detach().float()
            now.step += 1
            now.seconds = time.monotonic() - began
            if now.step % WINDOW == 0 or now.step == self.steps:
                status = f"epoch {now.epoch + 1}/{self.recipe.epochs} loss {self._look() / now.step:.3f}"
            bar.advance(self.batch, status)
        return self._row()

    def stop(self, interrupted: Callable[[], bool]) -> bool:
        """Whether to stop here; leaves a state if so, and when it is time to."""
        stop = self.processes.any(interrupted())
        if stop or time.monotonic() - self.saved > 60 * self.recipe.save_minutes:
            self.save()
        return stop

    def save(self) -> None:
        """Write a state to resume from."""
        if self.training.step:
            self._look()
        self.training.keep_random(self.generator)
        if self.processes.first:
            self.write()
        self.saved = time.monotonic()

    def _step(self, items: Tensor) -> dict[str, Tensor]:
        now, recipe = self.training, self.recipe
        for group in now.optimizer.param_groups:
            group["lr"] = learning_rate(recipe, now.epoch * self.steps + now.step, self.steps)
        with autocast(now.device, recipe.precision):
            named = self.losses(items, self.generator)
        loss = torch.stack(list(named.values())).sum()
        now.optimizer.zero_grad(set_to_none=True)
        now.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        now.scaler.step(now.optimizer)
        now.scaler.update()
        if now.average:
            now.average.update_parameters(now.module)
        return {**named, "loss": loss}

    def _look(self) -> float:
        """The sum of the epoch's losses so far; this waits for the device. Raises `NanStop` when it is no number."""
        now = self.training
        total = now.sums["loss"].item()
        if not math.isfinite(total):
            first = now.epoch * self.steps
            raise NanStop(
                f"the loss stopped being a number between steps {first + self.looked} and {first + now.step - 1}; "
                "lower the learning rate or set encoder.precision=fp32 and train again"
            )
        self.looked = now.step
        return total

    def _row(self) -> dict[str, float]:
        now = self.training
        losses = {name: round(self.processes.mean(v).item() / self.steps, 5) for name, v in now.sums.items()}
        rate = now.optimizer.param_groups[0]["lr"]
        speed = round(self.steps * self.batch / now.seconds, 1)
        return {"epoch": now.epoch + 1, **losses, "lr": rate, "seconds": round(now.seconds, 2), "images_per_s": speed}


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
