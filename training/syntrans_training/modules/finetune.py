"""Gradient steps for many episodes at once: each episode's parameters move by its own loss alone.

Losses are summed, so no episode's gradient sees another's, and Adam scales every number by its own history; E episodes
in one tensor therefore end where E separate runs would.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor


def finetune(
    start: Float[Tensor, "e n d"],
    loss: Callable[..., Tensor],
    data: tuple[Tensor, ...],
    *,
    steps: int,
    lr: float,
    weight_decay: float = 0.0,
) -> Float[Tensor, "e n d"]:
    """`start` after `steps` of AdamW on `loss(parameters, *data)`, which gives one number per episode [e].

    Works inside `torch.inference_mode` too.
    """
    with torch.inference_mode(mode=False), torch.enable_grad():
        parameters = start.clone().requires_grad_()
        copies = tuple(x.clone() for x in data)  # tensors of inference mode cannot take part in a backward pass
        optimizer = torch.optim.AdamW([parameters], lr=lr, weight_decay=weight_decay)
        for _ in range(steps):
            optimizer.zero_grad()
            loss(parameters, *copies).sum().backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        return parameters.detach()
