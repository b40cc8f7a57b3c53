"""The visual weight generator: classifier weights from supports and from what they recall of the base classes."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn


class VisualWeightGenerator(nn.Module):
    """A part of SynTrans (Tang, He, Qin, IJCAI 2025, https://arxiv.org/abs/2510.11115); its formulas are derived.

    docs/method.md (21): attention in the form of Gidaris, Komodakis (CVPR 2018, https://arxiv.org/abs/1804.09458;
    modules/attention.py) with a query of two parts, what the pictures show and what their semantic reading shows again:
        e_c = phi_q [v_c; R(M_vs(v_c))],    a_cb = softmax_b(g cos(e_c, phi_q [W_b; R(S_b)]))
        w^v_c = d1 * v_c + d2 * sum_b a_cb W_b
    No text of class c enters, so a fusion with alpha = 0 is visual only. d2 begins at 0, so that training begins at the
    plain mean of the supports; keys are read by phi_q too, since both have the same two parts.

    Args:
        dim: directions d of the shared space.
        width: directions w of the space that is attended in.
        sharpness: g at the start; a softmax takes g times cosines.
    """

    def __init__(self, dim: int, *, width: int = 64, sharpness: float = 10.0) -> None:
        super().__init__()
        self.read = nn.Linear(2 * dim, width, bias=False)
        self.sharpness = nn.Parameter(torch.tensor(sharpness))
        self.support_scale = nn.Parameter(torch.ones(dim))  # d1
        self.recall_scale = nn.Parameter(torch.zeros(dim))  # d2

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
        """w^v of every class from the mean `visual` of its supports and `reread`, its semantic reading read again.

        `base` are the base classes' weights and `base_reread` what their texts predict; `read` is `among_features` in
        the space.
        """
        shown, again = read.chunk(2)
        queries, keys = visual @ shown.T + reread @ again.T, base @ shown.T + base_reread @ again.T
        recalled = self.attention(queries, keys, held_out_mask) @ base
        return self.support_scale * visual + self.recall_scale * recalled
