"""Convex fusion of visual and semantic classifier weights (METHOD.md section 1.5, equation 6).

    W_c(alpha) = norm((1 - alpha) * norm(w^v_c) + alpha * norm(w^s_c)),     logits = cos(query, W_c)

alpha 0 is visual only, alpha 1 semantic only. `fused_cosine` gives the same logits from three inner products, so that
a whole grid of alphas costs one pass over the queries.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def fuse(
    visual: Float[Tensor, "*b n d"], semantic: Float[Tensor, "*b n d"], *, alpha: float
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
