"""Fusion of visual and semantic classifier weights: convex, additive, or direction by direction.

Convex (METHOD.md section 1.5, equation 6):

    W_c(alpha) = norm((1 - alpha) * norm(w^v_c) + alpha * norm(w^s_c)),     logits = cos(query, W_c)

alpha 0 is visual only, alpha 1 semantic only. `fused_cosine` gives the same logits from three inner products, so that
a whole grid of alphas costs one pass over the queries.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def fuse(
    visual: Float[Tensor, "*b n d"], semantic: Float[Tensor, "*b n d"], *, alpha: float | Tensor
) -> Float[Tensor, "*b n d"]:
    """Unit classifier weights of equation (6); the inputs need not be unit."""
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
    visual: Float[Tensor, "*e n d"], semantic: Float[Tensor, "*e n d"], *, shots: int, alpha: float | Tensor
) -> Float[Tensor, "*e n d"]:
    """FS-KTN's additive form, norm(w^v) + alpha / K * norm(w^s), at unit length; the inputs need not be unit."""
    return F.normalize(F.normalize(visual, dim=-1) + alpha / shots * F.normalize(semantic, dim=-1), dim=-1)


def fuse_evidence(
    visual: Float[Tensor, "*e n d"],
    semantic: Float[Tensor, "*e n d"],
    precision: Float[Tensor, "*p d"],
    *,
    shots: int,
    alpha: float | Tensor,
) -> tuple[Float[Tensor, "*e n d"], Float[Tensor, "*p d"]]:
    """Linear classifier (weights, variance) of classes whose pictures and text are weighed direction by direction.

    In the shared space (shared_space.py) K supports have the precision K, and the text has `precision`:
        w = (a K v + b precision s) / (a K + b precision),    a = min(1, 2 - 2 alpha), b = min(1, 2 alpha)
    so that alpha 0 is visual only, 1 semantic only, and 1/2 the posterior mean, in which the text counts less with
    every support as FS-KTN's 1/K rule has it. The variance of a query around w is 1 + 1 / (a K + b precision). Derived.
    """
    alpha = torch.as_tensor(alpha)
    of_pictures = (2 - 2 * alpha).clamp(max=1) * shots
    of_text = (2 * alpha).clamp(max=1) * precision
    total = of_pictures + of_text
    return (of_pictures * visual + of_text * semantic) / total, 1 + 1 / total
