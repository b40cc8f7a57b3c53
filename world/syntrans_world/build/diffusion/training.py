"""A resumable loop: AdamW, warm-up, cosine decay, an average of the weights; its state is one safetensors file.

What a step draws follows from the seed and the step alone, so that a training that was stopped and taken up again
gives the weights of one that was not.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from syntrans.paths import atomic_path
from syntrans_world.build.schedule import say


@dataclass(frozen=True)
class Schedule:
    """Steps in all, peak learning rate, steps of warm-up, the seed of what every step draws."""

    steps: int
    lr: float
    seed: int
    warmup: int = 100
    save_every: int = 100


def train(
    name: str,
    model: nn.Module,
    loss_of_a_step: Callable[[int, torch.Generator], dict[str, Tensor]],
    schedule: Schedule,
    state: Path,
) -> None:
    """Train `model` in place to its averaged weights; `state` is where an unfinished training is kept.

    Raises FloatingPointError when the loss is not finite.
    """
    weights = dict(model.named_parameters())
    optimizer = torch.optim.AdamW(weights.values(), lr=schedule.lr, betas=(0.9, 0.99), weight_decay=0.01)
    average = {key: value.detach().clone() for key, value in weights.items()}
    recipe = f"{schedule} {[(key, *value.shape) for key, value in weights.items()]}"
    kept = _State(state, recipe, weights, average, optimizer)
    first = kept.load()
    begin = time.monotonic()
    for step in range(first, schedule.steps):
        for group in optimizer.param_groups:
            group["lr"] = schedule.lr * _rate(step, schedule)
        losses = loss_of_a_step(step, torch.Generator().manual_seed(schedule.seed * 1_000_003 + step))
        total = torch.stack(list(losses.values())).sum()
        if not torch.isfinite(total):
            raise FloatingPointError(f"{name}: the loss is {total.item()} at step {step}")
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(list(weights.values()), 1.0)
        optimizer.step()
        _follow(average, weights, step)
        if (step + 1) % schedule.save_every == 0 or step + 1 == schedule.steps:
            kept.save(step + 1)
            _report(name, step + 1, schedule.steps, losses, (time.monotonic() - begin) / (step + 1 - first))
    with torch.no_grad():
        for key, value in weights.items():
            value.copy_(average[key])


def _rate(step: int, schedule: Schedule) -> float:
    rest = (step - schedule.warmup) / max(schedule.steps - schedule.warmup, 1)
    return min((step + 1) / schedule.warmup, 0.5 * (1 + math.cos(math.pi * max(rest, 0.0))) + 1e-3)


@torch.no_grad()
def _follow(average: dict[str, Tensor], weights: dict[str, nn.Parameter], step: int) -> None:
    """An exponential average whose memory grows with the training (at most about 500 steps)."""
    share = 1 - min(0.998, (1 + step) / (10 + step))
    for key, value in weights.items():
        average[key].lerp_(value, share)


def _report(name: str, step: int, steps: int, losses: dict[str, Tensor], seconds: float) -> None:
    parts = "  ".join(f"{key} {value.item():.4f}" for key, value in losses.items())
    say(f"{name}  step {step}/{steps}  {parts}  {seconds:.2f} s a step, {seconds * (steps - step):.0f} s left")


@dataclass(frozen=True)
class _State:
    """An unfinished training in a file: weights, their average, both moments of the optimizer, the step."""

    path: Path
    recipe: str
    weights: dict[str, nn.Parameter]
    average: dict[str, Tensor]
    optimizer: torch.optim.AdamW

    def save(self, step: int) -> None:
        """Keep it, atomically."""
        tensors = {f"weight.{key}": value.detach() for key, value in self.weights.items()}
        tensors |= {f"average.{key}": value for key, value in self.average.items()}
        for key, value in self.weights.items():
            moments = self.optimizer.state[value]
            tensors[f"first.{key}"], tensors[f"second.{key}"] = moments["exp_avg"], moments["exp_avg_sq"]
        told = {"step": str(step), "recipe": self.recipe}
        with atomic_path(self.path) as temporary:
            save_file({key: value.contiguous() for key, value in tensors.items()}, temporary, told)

    @torch.no_grad()
    def load(self) -> int:
        """The step to go on with; 0 where there is no file, or it is of another recipe."""
        if not self.path.is_file():
            return 0
        with safe_open(self.path, "pt") as opened:
            told = opened.metadata() or {}
        if told.get("recipe") != self.recipe:
            return 0
        tensors, step = load_file(self.path), int(told["step"])
        for key, value in self.weights.items():
            value.copy_(tensors[f"weight.{key}"])
            self.average[key].copy_(tensors[f"average.{key}"])
            self.optimizer.state[value] = {
                "step": torch.tensor(float(step)),
                "exp_avg": tensors[f"first.{key}"],
                "exp_avg_sq": tensors[f"second.{key}"],
            }
        return step
