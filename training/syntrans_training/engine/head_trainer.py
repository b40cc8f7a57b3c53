"""Training a small head on frozen features; the best validation check is kept."""

import copy
from collections.abc import Callable, Collection

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler


def fit(
    module: nn.Module,
    loss: Callable[[int], Tensor],
    optimizer: Optimizer,
    schedule: LRScheduler,
    *,
    steps: int,
    val_checks: int,
    validate: Callable[[], float],
) -> tuple[int, float]:
    """`steps` of `optimizer` on `loss(step)`; the module ends with the weights of its best validation check.

    `validate` is asked before the first step and `val_checks` times after, evenly spread: a head that val finds no
    better for its training stays as it began. Returns the step kept and its val accuracy.
    """
    best, kept = (0, -1.0), module.state_dict()
    every = max(1, steps // val_checks)
    for step in range(steps + 1):
        if step:
            module.train()
            optimizer.zero_grad()
            loss(step).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
        if step % every == 0 or step == steps:
            module.eval()
            accuracy = validate()
            if accuracy > best[1]:
                best, kept = (step, accuracy), copy.deepcopy(module.state_dict())
    module.load_state_dict(kept)
    module.eval()
    return best


def fit_head(
    module: nn.Module,
    loss: Callable[[int], Tensor],
    *,
    steps: int,
    lr: float,
    val_checks: int,
    validate: Callable[[], float],
    slow: Collection[str] = (),
) -> tuple[int, float]:
    """`fit` by Adam with a cosine schedule; parts named in `slow` learn at a tenth of the rate."""
    groups: dict[bool, list[nn.Parameter]] = {False: [], True: []}
    for name, parameter in module.named_parameters():
        groups[name.split(".")[0] in slow].append(parameter)
    rates = [{"params": of, "lr": lr / 10 if late else lr} for late, of in groups.items() if of]
    optimizer = torch.optim.Adam(rates, fused=True)  # one pass over the weights: without, a sixth of a step
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    return fit(module, loss, optimizer, schedule, steps=steps, val_checks=val_checks, validate=validate)
