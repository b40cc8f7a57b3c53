"""Fusion of visual and semantic classifier weights: convex, additive, or direction by direction.

Convex, docs/method.md (24):

    W_c(alpha) = norm((1 - alpha) * norm(w^v_c) + alpha * norm(w^s_c)),     logits = cos(query, W_c)

alpha 0 is visual only, alpha 1 semantic only. `fused_cosine` gives the same logits from three inner products, so that
a whole grid of alphas costs one pass over the queries.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class TaskFusion:
    """How the classes of E tasks are fused, beside alpha (text/task_alpha.py); as it stands, as alpha alone has it.

    `slope`: what the texts' predictions are multiplied by; `precision`: theirs, that of the head if None, direction by
    direction; `offset`: where all pictures of a task lie, which no class is told by; `cosine`: nats that a cosine of 1
    is worth, and `believed` how much a text tells there (modules/cosine_expert.py).
    """

    slope: float | Float[Tensor, "e 1 d"] = 1.0
    precision: Float[Tensor, "e 1 d"] | None = None
    offset: float | Float[Tensor, "e 1 d"] = 0.0
    believed: float | Float[Tensor, "e 1 1"] = 1.0
    cosine: float = 0.0


AS_ON_VAL = TaskFusion()


def fuse(
    visual: Float[Tensor, "*b n d"], semantic: Float[Tensor, "*b n d"], *, alpha: float | Float[Tensor, "*_b _n 1"]
) -> Float[Tensor, "*b n d"]:
    """Unit classifier weights of docs/method.md (24); the inputs need not be unit.

    The rule of Zhang et al., "Simple Semantic-Aided Few-Shot Learning" (CVPR 2024, SemFew,
    https://arxiv.org/abs/2311.18649) with k = 1 - `alpha`; `alpha` in [0, 1], of all classes or class by class.
    """
    mixed = (1 - alpha) * F.normalize(visual, dim=-1) + alpha * F.normalize(semantic, dim=-1)
    return F.normalize(mixed, dim=-1)


def fused_cosine(
    query_visual: Float[Tensor, "*b q n"],
    query_semantic: Float[Tensor, "*b q n"],
    visual_semantic: Float[Tensor, "*b n"],
    *,
    alpha: float,
) -> Float[Tensor, "*b q n"]:
    """Cosines of queries with the fused weights, from the cosines query-visual, query-semantic, visual-semantic."""
    squared = (1 - alpha) ** 2 + alpha**2 + 2 * alpha * (1 - alpha) * visual_semantic
    length = torch.sqrt(squared.clamp(min=1e-12)).unsqueeze(-2)
    return ((1 - alpha) * query_visual + alpha * query_semantic) / length


def add(
    visual: Float[Tensor, "*e n d"],
    semantic: Float[Tensor, "*e n d"],
    *,
    shots: float | Float[Tensor, "*e n 1"],
    alpha: float | Float[Tensor, "*_e _n 1"],
) -> Float[Tensor, "*e n d"]:
    """norm(w^v) + alpha / K * norm(w^s) at unit length, docs/method.md (25); the inputs need not be unit.

    The form of Peng et al., "Few-Shot Image Recognition with Knowledge Transfer" (ICCV 2019, FS-KTN; its code), for
    `shots` K > 0.
    """
    return F.normalize(F.normalize(visual, dim=-1) + alpha / shots * F.normalize(semantic, dim=-1), dim=-1)


def fuse_evidence(
    visual: Float[Tensor, "*e n d"],
    semantic: Float[Tensor, "*e n d"],
    precision: Float[Tensor, "*p d"],
    *,
    shots: float | Float[Tensor, "*e n 1"],
    alpha: float | Float[Tensor, "*_e 1 1"],
    gate: float | Float[Tensor, "*e n 1"] = 1.0,
    offset: float | Float[Tensor, "*e 1 d"] = 0.0,
) -> tuple[Float[Tensor, "*e n d"], Float[Tensor, "*v d"]]:
    """Linear classifier (weights, variance) of classes whose pictures and text are weighed direction by direction.

    docs/method.md (23): in the shared space K supports have the precision K, and the text has `precision`:
        w = (a K v + b g precision s) / (a K + b precision),    a = min(1, 2 - 2 alpha), b = min(1, 2 alpha)
    so that alpha 0 is visual only, 1 semantic only, and 1/2 the posterior mean, in which the text counts less with
    every support as FS-KTN's 1/K rule has it. `shots` may differ by class. The variance of a query around w is
    1 + 1 / (a K + b precision).
    `gate` in (0, 1] is that of each class, g_c, and g = 1 - a (1 - g_c), so that no gate acts where pictures do not
    count. A text that is not believed leaves the mean of all classes, 0 here, in its place: without it the weights of
    one class would be longer than its neighbours', and linear scores compare only classes of one variance. Where all
    pictures of a task lie elsewhere, the mean of all classes is `offset`. Derived.
    """
    a, b = parts(alpha)
    total = a * shots + b * precision
    g = 1 - a * (1 - gate)
    fused = (a * shots * (visual - offset) + g * b * precision * semantic) / total
    return fused + offset, 1 + 1 / total


def evidence_variance(
    precision: Float[Tensor, "*p d"], *, shots: float | Float[Tensor, "*e n 1"], alpha: float | Float[Tensor, "*_e 1 1"]
) -> Float[Tensor, "*v d"]:
    """The variance of `fuse_evidence` alone."""
    a, b = parts(alpha)
    return 1 + 1 / (a * shots + b * precision)


def parts(alpha: float | Float[Tensor, "*_e 1 1"]) -> tuple[Tensor, Tensor]:
    """How far pictures and text take part: a and b of docs/method.md (23)."""
    share = torch.as_tensor(alpha)
    return (2 - 2 * share).clamp(max=1), (2 * share).clamp(max=1)


def gated_alpha(
    alpha: float | Float[Tensor, "*_e 1 1"], gate: float | Float[Tensor, "*e n 1"]
) -> float | Float[Tensor, "*_e _n 1"]:
    """The alpha of `fuse` once the odds alpha : 1 - alpha of a text are multiplied by its class's `gate` > 0."""
    return alpha * gate / (alpha * gate + 1 - alpha)
