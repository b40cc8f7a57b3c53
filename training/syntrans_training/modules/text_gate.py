"""The text gate: how far a class's text is believed, seen from its pictures."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class TextGate(nn.Module):
    """The text gate of the bridge, docs/method.md (22); derived, SynTrans's own adaptive fusion is not public.

    If the text fits, the supports scatter around w^s_c; if it does not, around the mean of all classes, which is 0 in
    the shared space. The gate is the share of the first in the likelihood of the supports:
        g_c = sigmoid(bias + slope * 1/2 sum_j rho_j (v_cj^2 - (v_cj - w^s_cj)^2)),    1 / rho_j = 1/K + 1/precision_j
    and multiplies the text's share of the class mean: what is not believed leaves the mean of all classes in its place.
    `bias` and `slope` are all that is learned; no gate looks at another class or at a query. It begins almost open,
    g > 0.95 where the pictures say nothing; training on tasks in which some texts are of other classes teaches it both.
    """

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.tensor(3.0))
        self.slope = nn.Parameter(torch.tensor(0.1))

    def forward(
        self,
        visual: Float[Tensor, "e n d"],
        semantic: Float[Tensor, "*e n d"],
        precision: Float[Tensor, " d"],
        shots: int,
    ) -> Float[Tensor, "e n 1"]:
        """g_c in [1e-4, 1) of every class, from the weights of its pictures and of its text in the shared space."""
        rho = 1 / (1 / shots + 1 / precision)
        return self.opened(((2 * visual - semantic) * semantic) @ rho.unsqueeze(-1) / 2)  # the difference of squares

    def opened(self, evidence: Float[Tensor, "*e"]) -> Float[Tensor, "*e"]:
        """g_c by half that difference; never quite shut: a text of precision 0 alone would be no classifier."""
        return torch.sigmoid(self.bias + self.slope * evidence).clamp(min=1e-4)
