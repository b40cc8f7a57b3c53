"""VSBird, the bi-directional bridge: classifier weights of new classes from a few pictures and a class vector each.

Tang, He, Qin, "Connecting Giants: Synergistic Knowledge Transfer of Large Multimodal Models for Few-Shot Learning"
(IJCAI 2025, arXiv 2510.11115); formulas derived, docs/method.md (19) to (26). Each part is a module of its own:
the shared space, the maps, the visual weight generator, the semantic weight reconstructor, the gate, the fusion. Each
part starts as the identity, so the untrained head is the closed form of a two-covariance model whose class means are
predicted from text.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from syntrans_training.modules.fusion import add, believe, fuse, fuse_evidence
from syntrans_training.modules.generator import VisualWeightGenerator
from syntrans_training.modules.reconstructor import SemanticWeightReconstructor
from syntrans_training.modules.ridge import DualRidge, fit_dual_ridge
from syntrans_training.modules.shared_space import Metric
from syntrans_training.modules.text_gate import TextGate

FUSIONS = ("evidence", "convex", "additive")
HIDDEN = 64  # units of the reconstructor's residual network: few, since there are few base classes
SHARPNESS = 10.0  # of cosines, where the fusion makes unit weights


@dataclass(frozen=True)
class Weights:
    """What the bridge makes of E episodes, in the shared space; `precision` and `trust` are the semantic weights'."""

    visual: Float[Tensor, "e n d"]
    semantic: Float[Tensor, "e n d"]
    precision: Float[Tensor, " d"]
    trust: float | Float[Tensor, "e n 1"] = 1.0


@dataclass(frozen=True)
class HeldOutClasses:
    """Base classes that play novel ones, and the metric that was fitted without them."""

    held_out_mask: Bool[Tensor, " c"]
    metric: Metric


@dataclass(frozen=True)
class BaseClassMemory:
    """What is known of the base classes: the metric, weights, texts and both maps; nothing of `held_out_mask`.

    `layer` and `read` are what the reconstructor and the generator say of features (`among_features`), in its space.
    """

    metric: Metric
    layer: Float[Tensor, "h d"]
    read: Float[Tensor, "r d"]
    weights: Float[Tensor, "c d"]
    text: Float[Tensor, "c s"]
    to_visual: DualRidge
    to_text: DualRidge
    held_out_mask: Bool[Tensor, " c"] | None

    def project(self, phi: Float[Tensor, "*b d"]) -> Float[Tensor, "*b d"]:
        """Pictures in the shared space."""
        return phi @ self.metric.transform.T


class VSBird(nn.Module):
    """The head. All of its pictures are phi(x) of shared_space.py.

    Args: metric: of the shared space; base: mean phi of the base classes; base_text: their class vectors; lam: where
    the ridge maps begin; generator, residual, gate: what takes part; fusion: how visual and semantic weights become one
    (modules/fusion.py). What is learned is how any metric is changed, not one metric, so that training can use metrics
    which have not seen the classes that play novel ones.
    """

    transform: Float[Tensor, "d d"]
    precision: Float[Tensor, " d"]
    base: Float[Tensor, "c d"]
    base_text: Float[Tensor, "c s"]

    def __init__(
        self,
        metric: Metric,
        base: Float[Tensor, "c d"],
        base_text: Float[Tensor, "c s"],
        *,
        lam: float = 1.0,
        generator: bool = True,
        residual: bool = True,
        gate: bool = True,
        fusion: str = "evidence",
    ) -> None:
        super().__init__()
        if fusion not in FUSIONS:
            raise ValueError(f"fusion must be one of {', '.join(FUSIONS)}, got {fusion}")
        d, s = len(metric.precision), base_text.shape[1]
        self.turn = nn.Parameter(torch.zeros(d, d))  # A becomes A (I + turn)
        self.belief = nn.Parameter(torch.zeros(d))  # and the precision of rank i is multiplied by exp(belief_i)
        self.log_scale = nn.Parameter(torch.tensor(0.0))  # of the logits
        self.reader_log_lam = nn.Parameter(torch.tensor(lam).log())  # of M_vs
        self.register_buffer("transform", metric.transform.clone())
        self.register_buffer("precision", metric.precision.clone())
        self.register_buffer("base", base.clone())
        self.register_buffer("base_text", base_text.clone())
        self.reconstructor = SemanticWeightReconstructor(s, d, lam=lam, hidden=HIDDEN if residual else 0)
        self.generator = VisualWeightGenerator(d) if generator else None
        self.trust = TextGate() if gate else None
        self.fusion = fusion

    def build_memory(
        self, without: HeldOutClasses | None = None, base_text: Float[Tensor, "c s"] | None = None
    ) -> BaseClassMemory:
        """What is known of all base classes, or `without` some; the maps are between their texts and weights.

        `base_text` stands in for their class vectors, where training draws other descriptors.
        """
        metric = Metric(self.transform, self.precision) if without is None else without.metric
        held_out_mask = None if without is None else without.held_out_mask
        turned = torch.addmm(metric.transform, metric.transform, self.turn)
        metric = Metric(turned, metric.precision * self.belief.exp())
        text = self.base_text if base_text is None else base_text
        weights, layer, read = self._in_space(turned)
        return BaseClassMemory(
            metric,
            layer,
            read,
            weights,
            text,
            to_visual=fit_dual_ridge(text, weights, lam=self.reconstructor.log_lam.exp(), held_out_mask=held_out_mask),
            to_text=fit_dual_ridge(weights, text, lam=self.reader_log_lam.exp(), held_out_mask=held_out_mask),
            held_out_mask=held_out_mask,
        )

    def _in_space(self, transform: Float[Tensor, "d d"]) -> tuple[Tensor, Tensor, Tensor]:
        """The base classes' weights, and what the networks say of features along its unit directions.

        One product for all of them, whose gradient is one product too: each is as large as the metric.
        """
        of_networks = (part.among_features() for part in (self.reconstructor, self.generator) if part is not None)
        parts = [self.base, *of_networks]
        projected = torch.split(torch.cat(parts) @ transform.T, [len(part) for part in parts])
        length = torch.linalg.vector_norm(transform, dim=1).clamp(min=1e-12)
        weights, layer, read = (*projected, transform.new_zeros(0, len(transform)))[:3]
        return weights, layer / length, read / length

    def semantic(self, text: Float[Tensor, "*b n s"], memory: BaseClassMemory) -> Float[Tensor, "*e n d"]:
        """M_sv: weights of classes from their class vectors."""
        weights: Tensor = self.reconstructor(text, memory.to_visual, memory.layer)
        return weights

    def visual(self, mean: Float[Tensor, "e n d"], memory: BaseClassMemory) -> Float[Tensor, "e n d"]:
        """Weights of classes from the mean of their supports, and from the base classes that it recalls."""
        if self.generator is None:
            return mean
        reread, predicted = self.semantic(memory.to_text(mean), memory), self.semantic(memory.text, memory)
        weights: Tensor = self.generator(mean, reread, memory.weights, predicted, memory.read, memory.held_out_mask)
        return weights

    def classify(
        self,
        mean: Float[Tensor, "e n d"],
        semantic: Float[Tensor, "e n d"],
        memory: BaseClassMemory,
        *,
        shots: int,
        alpha: float,
    ) -> tuple[Float[Tensor, "e n d"], Float[Tensor, "e n"]]:
        """Classifiers of new classes: `weights` of the means of their supports and of their texts, fused.

        See `classifier` for what is returned. Who needs one of the two steps alone (several alphas, losses of one kind
        of weights, a fusion that is judged in every task, unlabelled pictures) calls that.
        """
        weights = self.weights(mean, semantic, memory, shots=shots)
        return self.classifier(weights, shots=shots, alpha=alpha)

    def weights(
        self,
        mean: Float[Tensor, "e n d"],
        semantic: Float[Tensor, "e n d"],
        memory: BaseClassMemory,
        *,
        shots: int,
        visual: Float[Tensor, "e n d"] | None = None,
    ) -> Weights:
        """Both kinds of weights, with the gate between them; `mean` is that of `shots` supports.

        `visual`: what `visual` makes of it, where that is known.
        """
        visual, precision = self.visual(mean, memory) if visual is None else visual, memory.metric.precision
        trust = 1.0 if self.trust is None else self.trust(mean, semantic, precision, shots)
        return Weights(visual, semantic, precision, trust)

    def classifier(
        self,
        weights: Weights,
        *,
        shots: float,
        alpha: float | Float[Tensor, "e 1 1"],
        slope: float | Float[Tensor, "e 1 d"] = 1.0,
        precision: Float[Tensor, "e 1 d"] | None = None,
        offset: float | Float[Tensor, "e 1 d"] = 0.0,
    ) -> tuple[Float[Tensor, "e n d"], Float[Tensor, "e n"]]:
        """Weights and biases: scores are z @ w + b of projected queries z, in nats where the fusion is `evidence`.

        `slope` multiplies what the texts say, `precision` stands in for that of the head, and `offset` is where the
        task's pictures lie (text/task_alpha.py).
        """
        if self.fusion == "evidence":
            mean, variance = fuse_evidence(
                weights.visual, slope * weights.semantic, weights.precision if precision is None else precision,
                shots=shots, alpha=alpha, trust=weights.trust, offset=offset,
            )  # fmt: skip
            weight, bias = mean / variance, -(mean.square() / variance).sum(-1) / 2
        else:
            # One for all directions.
            trust = weights.trust * (slope if isinstance(slope, float) else slope.mean(-1, keepdim=True))
            if self.fusion == "convex":
                unit = fuse(weights.visual, weights.semantic, alpha=believe(alpha, trust))
            else:
                unit = add(weights.visual, weights.semantic, shots=shots, alpha=alpha * trust)
            weight, bias = SHARPNESS * unit, unit.new_zeros(unit.shape[:-1])
        scale = self.log_scale.exp()
        return scale * weight, scale * bias
