"""VSBird, the bi-directional bridge: classifier weights of new classes from a few pictures and a class vector each.

METHOD.md section 1.5. Everything that is named there is a module of its own and may be left out: the shared space,
the visual weight generator, the semantic weight reconstructor, the gate. What is left out is replaced by what it
begins as, so the head without any of them, and untrained, is the closed form of fit_vsbird in tasks/meta.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from .fusion import fuse, fuse_evidence
from .generator import VisualWeightGenerator
from .maps import map_classes
from .reconstructor import SemanticWeightReconstructor
from .trust import Trust

FUSIONS = ("evidence", "convex", "additive")


@dataclass(frozen=True)
class Weights:
    """What the bridge makes of E episodes, in the shared space; `reread` is M_sv(M_vs(visual))."""

    visual: Float[Tensor, "e n d"]
    semantic: Float[Tensor, "*e n d"]
    read: Float[Tensor, "e n s"]
    reread: Float[Tensor, "e n d"]
    precision: Float[Tensor, "*e n d"]


class VSBird(nn.Module):
    """Args: transform, precision: of the shared space; base, base_text: classifier weights (class means of phi) and
    class vectors of the base classes, the memory; lam: of the ridge maps; generator, residual, gate: what takes part;
    fusion: how visual and semantic weights become one (modules/fusion.py).
    """

    base: Float[Tensor, "c d"]
    base_text: Float[Tensor, "c s"]

    def __init__(
        self,
        transform: Float[Tensor, "d d"],
        precision: Float[Tensor, " d"],
        base: Float[Tensor, "c d"],
        base_text: Float[Tensor, "c s"],
        *,
        lam: float,
        generator: bool = True,
        residual: bool = True,
        gate: bool = True,
        fusion: str = "evidence",
    ) -> None:
        super().__init__()
        if fusion not in FUSIONS:
            raise ValueError(f"fusion must be one of {', '.join(FUSIONS)}, got {fusion}")
        d, s = len(transform), base_text.shape[1]
        self.transform = nn.Parameter(transform.clone())
        self.log_precision = nn.Parameter(precision.log())
        self.log_scale = nn.Parameter(torch.tensor(0.0))  # of the logits
        self.reader_log_lam = nn.Parameter(torch.tensor(lam).log())  # of M_vs
        self.register_buffer("base", base.clone())
        self.register_buffer("base_text", base_text.clone())
        self.reconstructor = SemanticWeightReconstructor(s, d, lam=lam, hidden=64 if residual else 0)
        self.generator = VisualWeightGenerator(d) if generator else None
        self.trust = Trust() if gate else None
        self.fusion = fusion

    def weights(
        self,
        support: Float[Tensor, "e n k d"],
        text: Float[Tensor, "*e n s"],
        absent: Bool[Tensor, "e c"] | None = None,
        base_text: Float[Tensor, "c s"] | None = None,
    ) -> Weights:
        """Visual and semantic weights of every class; `support` is phi of the pictures.

        `absent` base classes (those that play novel ones) are in no map and in no memory. `base_text` stands in for the
        class vectors of the memory, where training draws other descriptors.
        """
        base_text = self.base_text if base_text is None else base_text
        base = self.base @ self.transform.T
        plain = support.mean(2) @ self.transform.T
        semantic = self.reconstructor(text, base_text, base, absent)
        read = map_classes(plain, base, base_text, lam=self.reader_log_lam.exp(), absent=absent)
        reread = self.reconstructor(read, base_text, base, absent)
        visual = plain
        if self.generator is not None:
            known = self.reconstructor(base_text, base_text, base, absent)
            visual = self.generator(plain, reread, base, known, absent)
        precision = self.log_precision.exp().expand(semantic.shape)
        if self.trust is not None:
            precision = precision * self.trust(plain, semantic, self.log_precision.exp(), support.shape[2])
        return Weights(visual, semantic, read, reread, precision)

    def classifier(
        self, made: Weights, *, shots: int, alpha: float | Tensor
    ) -> tuple[Float[Tensor, "e n d"], Float[Tensor, "e n"]]:
        """Weights and biases for queries phi(x): scores are phi(x) @ w + b, in nats where the fusion is `evidence`."""
        if self.fusion == "evidence":
            mean, variance = fuse_evidence(made.visual, made.semantic, made.precision, shots=shots, alpha=alpha)
            weight, bias = mean / variance, -(mean.square() / variance).sum(-1) / 2
        else:
            if self.fusion == "convex":
                weight = fuse(made.visual, made.semantic, alpha=alpha)
            else:
                unit = nn.functional.normalize
                weight = unit(unit(made.visual, dim=-1) + alpha / shots * unit(made.semantic, dim=-1), dim=-1)
            bias = weight.new_zeros(weight.shape[:-1])
        return weight @ self.transform * self.log_scale.exp(), bias * self.log_scale.exp()
