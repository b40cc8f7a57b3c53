"""Spatial relation losses: a student's features lie to each other as the teacher's do, whatever space those live in.

Zhao et al., "Cross-modal knowledge distillation for fine-grained one-shot classification" (ICASSP 2021): the teacher
"distills the spatial relationship of the samples as a soft target". Their formula could not be read, so `soft_relation`
is derived, docs/method.md (16); `distance_relation` is RKD's distance loss (Park et al., "Relational Knowledge
Distillation", arXiv 1904.05068) as its published code computes it. Each can be the relation loss of docs/method.md
(17). All of them compare distances only, divided by their mean: neither a rotation nor a scale of either space changes
them, and the two may differ in dimensions.
Leading dimensions (*e) are independent sets of samples, over which the mean is taken.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

EPS = 1e-12


def distances(x: Float[Tensor, "*e n d"], y: Float[Tensor, "*e m d"]) -> Float[Tensor, "*e n m"]:
    """Euclidean distances; 0, with gradient 0, between equal samples."""
    return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")


def relative_distances(x: Float[Tensor, "*e n d"]) -> Float[Tensor, "*e n n"]:
    """D_ij = |x_i - x_j| / mean over i != j; the diagonal is 0."""
    n = x.shape[-2]
    raw = distances(x, x)
    mean = raw.sum((-2, -1), keepdim=True) / (n * (n - 1))
    return raw / mean.clamp_min(EPS)


def soft_relation(
    *, student: Float[Tensor, "*e n s"], teacher: Float[Tensor, "*e n t"], temperature: float = 0.5
) -> Float[Tensor, ""]:
    """T^2 / n * sum_i KL(P_i of the teacher || P_i of the student), with P_i = softmax over j != i of -D_ij / T.

    The teacher has no gradient.
    """
    relations = _without_diagonal(relative_distances(student))
    target = _without_diagonal(relative_distances(teacher.detach()))
    return _divergence(relations, target, temperature)


def distance_relation(*, student: Float[Tensor, "*e n s"], teacher: Float[Tensor, "*e n t"]) -> Float[Tensor, ""]:
    """Smooth L1 between the relative distances, the mean over all n^2 entries, the zero diagonal among them (as RKD).

    The teacher has no gradient.
    """
    return F.smooth_l1_loss(relative_distances(student), relative_distances(teacher.detach()))


def prototype_relation(
    *,
    student: tuple[Float[Tensor, "*e m s"], Float[Tensor, "*e n s"]],
    teacher: tuple[Float[Tensor, "*e m t"], Float[Tensor, "*e n t"]],
    temperature: float = 0.5,
) -> Float[Tensor, ""]:
    """As `soft_relation`, of queries to prototypes alone: (queries, prototypes) of either side.

    Distances are divided by their mean over the task; the teacher has no gradient.
    """
    relations, target = (_to_prototypes(*pair) for pair in (student, tuple(part.detach() for part in teacher)))
    return _divergence(relations, target, temperature)


def _to_prototypes(query: Tensor, prototype: Tensor) -> Tensor:
    raw = distances(query, prototype)
    return raw / raw.mean((-2, -1), keepdim=True).clamp_min(EPS)


def _without_diagonal(square: Float[Tensor, "*e n n"]) -> Float[Tensor, "*e n n-1"]:
    n = square.shape[-1]
    off = ~torch.eye(n, dtype=torch.bool, device=square.device)
    return square[..., off].reshape(*square.shape[:-1], n - 1)


def _divergence(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T^2 KL(softmax(-teacher / T) || softmax(-student / T)), the mean over the rows."""
    target = F.log_softmax(-teacher / temperature, -1)
    log_p = F.log_softmax(-student / temperature, -1)
    return temperature**2 * (target.exp() * (target - log_p)).sum(-1).mean()
