"""ProLIP: CLIP's last visual projection alone is tuned (Fahes et al., arXiv 2410.05270).

docs/method.md (46): cross-entropy of s P x T^T on the shots plus lambda |P - P0|^2, P0 CLIP's own; text vectors T
stay. Full batch, Adam.
Published: the loss, lambda = 1 / shots as the choice without validation. What we do differently: cached features, so
its steps see no new crops; learning rate and steps are chosen on val.
"""

from dataclasses import replace

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from syntrans_training.flier.model import SCALE, Pictures, Projection


def tune_projection(
    projection: Projection, text: Float[Tensor, "c d"], real: Pictures, *, lr: float, steps: int, penalty: float
) -> Projection:
    """The projection after `steps` full-batch steps of Adam."""
    weight, before = projection.weight.clone().requires_grad_(), projection.pooled(real.before)
    optimizer = torch.optim.Adam([weight], lr=lr)
    for _ in range(steps):
        logits = SCALE * Projection(weight, projection.bias)(before) @ text.T
        loss = F.cross_entropy(logits, real.labels) + penalty * (weight - projection.weight).square().sum()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return replace(projection, weight=weight.detach())
