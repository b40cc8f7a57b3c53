"""The one optimisation loop of the build: AdamW, warm-up, linear decay, clipped gradients, a line now and then."""

import sys
import time
from collections.abc import Callable, Iterable

import torch
from torch import Tensor


def optimise(
    name: str,
    parameters: Iterable[torch.nn.Parameter],
    losses_of_a_step: Callable[[], dict[str, Tensor]],
    *,
    steps: int,
    lr: float,
    warmup: int = 50,
    weight_decay: float = 0.01,
) -> None:
    """Minimise the sum of the named losses that `losses_of_a_step()` returns. Raises FloatingPointError on NaN."""
    weights = [p for p in parameters if p.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=lr, betas=(0.9, 0.98), weight_decay=weight_decay, fused=True)
    begin = time.monotonic()
    for step in range(steps):
        factor = min((step + 1) / warmup, (steps - step) / max(steps - warmup, 1))
        for group in optimizer.param_groups:
            group["lr"] = lr * factor
        losses = losses_of_a_step()
        total = torch.stack(list(losses.values())).sum()
        if not torch.isfinite(total):
            raise FloatingPointError(f"{name}: the loss is {total.item()} at step {step}")
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        if step % 100 == 0 or step == steps - 1:
            seconds = time.monotonic() - begin
            parts = "  ".join(f"{key} {value.item():.4f}" for key, value in losses.items())
            left = seconds / (step + 1) * (steps - step - 1)
            say(f"{name}  step {step}/{steps}  {parts}  {seconds:.0f}s, {left:.0f}s left")


def say(line: str) -> None:
    """One line of progress on stderr."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
