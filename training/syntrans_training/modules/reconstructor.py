"""The semantic weight reconstructor: classifier weights from class vectors."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from syntrans_training.modules.solvers.ridge import DualRidge


class SeededDropout(nn.Dropout):
    """Dropout that draws from `generator`, so that heads in several threads draw what each would draw alone.

    Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting" (JMLR 15, 2014).
    """

    generator: torch.Generator | None = None  # None: torch's own

    def forward(self, x: Float[Tensor, "*b h"]) -> Float[Tensor, "*b h"]:
        """The same draws and values as torch's on a CPU."""
        if not self.training:
            return x
        kept = torch.empty_like(x).bernoulli_(1 - self.p, generator=self.generator)
        return x * (kept / (1 - self.p))


class SemanticWeightReconstructor(nn.Module):
    """A part of SynTrans (Tang, He, Qin, IJCAI 2025, https://arxiv.org/abs/2510.11115); its formulas are derived.

    docs/method.md section 4: a ridge map over the base classes that are in memory, and a residual network. Only as many
    pairs exist as there are base classes, so the network begins at zero, has one narrow hidden layer with dropout, and
    learns from classes that the ridge map has not seen (bridge/episodic_loss.py).

    Args:
        text_dim, dim: lengths s of class vectors and d of weights.
        lam: where the ridge map's lambda > 0 begins, in units of the mean squared text (solvers/ridge.py); learned.
        hidden: units of the network; 0 leaves it out.
        dropout: probability in [0, 1) of every hidden unit.
    """

    def __init__(self, text_dim: int, dim: int, *, lam: float, hidden: int = 64, dropout: float = 0.3) -> None:
        super().__init__()
        self.dim = dim
        self.log_lam = nn.Parameter(torch.tensor(lam).log())
        self.residual: nn.Sequential | None = None
        if hidden:
            last = nn.Linear(hidden, dim)
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
            self.residual = nn.Sequential(nn.Linear(text_dim, hidden), nn.LeakyReLU(0.2), SeededDropout(dropout), last)

    def among_features(self) -> Float[Tensor, "h d"]:
        """The network's last layer, one unit a row and the bias in the last; no row without a network.

        What the network adds is said in terms of features, since the directions of one metric say nothing of another's.
        """
        if self.residual is None:
            return self.log_lam.new_zeros(0, self.dim)
        last = self.residual[-1]
        assert isinstance(last, nn.Linear)
        return torch.cat([last.weight.T, last.bias.unsqueeze(0)])

    def forward(
        self,
        text: Float[Tensor, "*b n s"],
        ridge: DualRidge,
        layer: Float[Tensor, "h d"],
    ) -> Float[Tensor, "*e n d"]:
        """w^s of every class; `ridge` is fitted with `log_lam` on the classes in memory.

        `layer` is `among_features` in its space.
        """
        predicted = ridge(text)
        if self.residual is None:
            return predicted
        hidden: Tensor = self.residual[:-1](text - ridge.mean_in.unsqueeze(-2))
        return predicted + hidden @ layer[:-1] + layer[-1]

    def draw_from(self, generator: torch.Generator) -> None:
        """Let dropout draw from it."""
        for layer in self.residual or ():
            if isinstance(layer, SeededDropout):
                layer.generator = generator
