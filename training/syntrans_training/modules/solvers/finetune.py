"""Gradient steps for many episodes at once: each episode's parameters move by its own loss alone.

Adam scales every number by its own history, so E episodes in one tensor end where E separate runs would. Gradients are
written out: autograd would go through memory several times as often.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

CACHE_BYTES = 1 << 19  # of parameters at once on a CPU: with Adam's moments they stay in a core's second-level cache
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8  # AdamW's, as torch has them


def finetune(
    start: Float[Tensor, "e n d"],
    gradient: Callable[..., Tensor],
    data: tuple[Tensor, ...],
    *,
    steps: int,
    lr: float,
    weight_decay: float = 0.0,
) -> Float[Tensor, "e n d"]:
    """`start` after `steps` of AdamW by `gradient(parameters, *data)`, that of each episode's own loss."""
    of_episode = start[0].numel() * start.element_size()
    at_once = len(start) if start.is_cuda else max(1, CACHE_BYTES // of_episode)
    blocks = zip(*(torch.split(x, at_once) for x in (start, *data)), strict=True)
    return torch.cat([_moved(block, gradient, steps=steps, lr=lr, weight_decay=weight_decay) for block in blocks])


@torch.no_grad()
def _moved(
    block: tuple[Tensor, ...], gradient: Callable[..., Tensor], *, steps: int, lr: float, weight_decay: float
) -> Float[Tensor, "e n d"]:
    """The steps of `torch.optim.AdamW`, which would import the compiler: longer than they take."""
    start, *data = block
    parameters, mean, square = start.clone(), torch.zeros_like(start), torch.zeros_like(start)
    for step in range(1, steps + 1):
        slope = gradient(parameters, *data)
        mean.lerp_(slope, 1 - BETA1)
        square.mul_(BETA2).addcmul_(slope, slope, value=1 - BETA2)
        begun = (1 - BETA2**step) ** 0.5  # of the squares, which began at zero
        spread = square.sqrt().add_(begun * EPSILON)
        if weight_decay:
            parameters.mul_(1 - lr * weight_decay)
        parameters.addcdiv_(mean, spread, value=-lr * begun / (1 - BETA1**step))
    return parameters
