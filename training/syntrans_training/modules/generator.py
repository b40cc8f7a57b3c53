"""The visual weight generator: classifier weights from supports and from what they recall of the base classes.

Derived, docs/method.md (21): attention in Gidaris' form (modules/attention.py) with a query of two parts, what
the pictures show and what their semantic reading shows again:
    e_c = phi_q [v_c; M_sv(u_c)],    a_cb = softmax_b(g cos(e_c, phi_k [W_b; M_sv(S_b)]))
    w^v_c = d1 * v_c + d2 * sum_b a_cb W_b
No text of class c enters, so a fusion with alpha = 0 is visual only. Derived: d2 begins at 0, so that training begins
at the plain mean of the supports; phi_k is phi_q, since both read the same two parts.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn


class VisualWeightGenerator(nn.Module):
    """Args: dim: of the shared space; width: of the space that is attended in."""

    def __init__(self, dim: int, *, width: int = 64, sharpness: float = 10.0) -> None:
        super().__init__()
        self.read = nn.Linear(2 * dim, width, bias=False)
        self.sharpness = nn.Parameter(torch.tensor(sharpness))
        self.own = nn.Parameter(torch.ones(dim))
        self.recalled = nn.Parameter(torch.zeros(dim))

    def among_features(self) -> Float[Tensor, "r d"]:
        """phi_q, one row for each of its directions: those that read what is shown, then those for what is reread."""
        return torch.cat(self.read.weight.chunk(2, 1))

    def attention(
        self,
        queries: Float[Tensor, "e n w"],
        keys: Float[Tensor, "*e c w"],
        held_out_mask: Bool[Tensor, " c"] | None = None,
    ) -> Float[Tensor, "e n c"]:
        """Share of every base class; zero where `held_out_mask`."""
        similarity = self.sharpness * F.normalize(queries, dim=-1) @ F.normalize(keys, dim=-1).mT
        if held_out_mask is not None:
            similarity = similarity.masked_fill(held_out_mask, float("-inf"))
        return similarity.softmax(-1)

    def forward(
        self,
        visual: Float[Tensor, "e n d"],
        reread: Float[Tensor, "e n d"],
        base: Float[Tensor, "c d"],
        base_reread: Float[Tensor, "*e c d"],
        read: Float[Tensor, "r d"],
        held_out_mask: Bool[Tensor, " c"] | None = None,
    ) -> Float[Tensor, "e n d"]:
        """w^v of every class; `read` is `among_features` in the space."""
        shown, again = read.chunk(2)
        queries, keys = visual @ shown.T + reread @ again.T, base @ shown.T + base_reread @ again.T
        return self.own * visual + self.recalled * (self.attention(queries, keys, held_out_mask) @ base)
