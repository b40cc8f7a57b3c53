"""Maps between the class vectors and the classifier weights of the base classes, in either direction.

METHOD.md section 1.5 (i): R = (S_-^T S_- + lambda I)^-1 S_-^T W_- over the base classes that an episode leaves in
memory; "linear maps bring both modalities into one space". Solved in the dual form, one C x C system per episode, and
differentiable. Derived, as in ridge.py: both sides are centred by the classes left in, lambda is in units of the mean
squared length of the centred inputs.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def map_classes(
    inputs: Float[Tensor, "*e n i"],
    base_in: Float[Tensor, "c i"],
    base_out: Float[Tensor, "c o"],
    *,
    lam: float | Float[Tensor, ""],
    absent: Bool[Tensor, "*e c"] | None = None,
) -> Float[Tensor, "*e n o"]:
    """Outputs of new classes, by ridge regression over the base classes that are not `absent`."""
    present = torch.ones(base_in.shape[:1]) if absent is None else (~absent).to(base_in.dtype)
    present = present.to(base_in).unsqueeze(-1)  # [*e, c, 1]
    count = present.sum(-2, keepdim=True)
    mean_in, mean_out = ((base * present).sum(-2, keepdim=True) / count for base in (base_in, base_out))
    x, y = (base_in - mean_in) * present, (base_out - mean_out) * present
    scale = (x.square().sum((-2, -1), keepdim=True) / count).clamp(min=1e-12)
    gram = x @ x.mT + lam * scale * torch.eye(len(base_in), dtype=x.dtype, device=x.device)
    return (inputs - mean_in) @ x.mT @ torch.linalg.solve(gram, y) + mean_out


def leave_one_out(base_in: Float[Tensor, "c i"], base_out: Float[Tensor, "c o"], *, lam: float) -> Float[Tensor, "c o"]:
    """What the map predicts of every base class from the others."""
    alone = torch.eye(len(base_in), dtype=torch.bool, device=base_in.device)
    return map_classes(base_in.unsqueeze(1), base_in, base_out, lam=lam, absent=alone).squeeze(1)
