"""VSBird, the bi-directional bridge: classifier weights of new classes from a few pictures and a class vector each.

Its parts are modules of their own: the shared space, the maps, the visual weight generator, the semantic weight
reconstructor, the text gate, the fusion.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from syntrans_training.modules.cosine_expert import CosineExpert, cosine_expert
from syntrans_training.modules.fusion import (
    AS_ON_VAL,
    TaskFusion,
    add,
    evidence_variance,
    fuse,
    fuse_evidence,
    gated_alpha,
)
from syntrans_training.modules.generator import VisualWeightGenerator
from syntrans_training.modules.reconstructor import SemanticWeightReconstructor
from syntrans_training.modules.shared_space import Metric
from syntrans_training.modules.solvers.ridge import DualRidge, fit_dual_ridge
from syntrans_training.modules.text_gate import TextGate

FUSIONS = ("evidence", "convex", "additive")
HIDDEN = 64  # units of the reconstructor's residual network: few, since there are few base classes
SHARPNESS = 10.0  # of cosines, where the fusion makes unit weights


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

    @cached_property
    def cosine_expert(self) -> CosineExpert:
        """What classifies by cosines of phi, for pictures of another domain."""
        return cosine_expert(self.metric.transform, self.weights)


@dataclass(frozen=True)
class Weights:
    """Weights of the classes of E episodes in the space of `memory`, from their pictures and from their texts; `gate`:
    how far each class's text is believed, in (0, 1].
    """

    visual: Float[Tensor, "e n d"]
    semantic: Float[Tensor, "e n d"]
    memory: BaseClassMemory
    gate: float | Float[Tensor, "e n 1"] = 1.0


class VSBird(nn.Module):
    """Tang, He, Qin, "Connecting Giants: Synergistic Knowledge Transfer of Large Multimodal Models for Few-Shot
    Learning" (IJCAI 2025), https://arxiv.org/abs/2510.11115; formulas derived, docs/method.md (19) to (26).

    Each part starts as the identity, so the untrained head is the closed form of a two-covariance model whose class
    means are predicted from text. What is learned is how any metric is changed, not one metric, so that training can
    use metrics which have not seen the classes that play novel ones. All of its pictures are phi(x) of shared_space.py.

    Args:
        metric: of the shared space, fitted on all base classes.
        base: [C, d] mean phi of the base classes; base_text: [C, s] their class vectors.
        lam: where the lambda > 0 of both ridge maps begins, in units of the mean squared row (solvers/ridge.py).
        generator, residual, gate: whether the visual weight generator, the reconstructor's network and the text gate
            take part.
        fusion: how visual and semantic weights become one (modules/fusion.py); `ValueError` for one not in `FUSIONS`.
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
        self.transform_change = nn.Parameter(torch.zeros(d, d))  # T: A becomes A (I + T)
        self.log_precision_factor = nn.Parameter(torch.zeros(d))  # of the precision of every rank
        self.log_scale = nn.Parameter(torch.tensor(0.0))  # of the logits
        self.reader_log_lam = nn.Parameter(torch.tensor(lam).log())  # of M_vs
        self.register_buffer("transform", metric.transform.clone())
        self.register_buffer("precision", metric.precision.clone())
        self.register_buffer("base", base.clone())
        self.register_buffer("base_text", base_text.clone())
        self.reconstructor = SemanticWeightReconstructor(s, d, lam=lam, hidden=HIDDEN if residual else 0)
        self.generator = VisualWeightGenerator(d) if generator else None
        self.text_gate = TextGate() if gate else None
        self.fusion = fusion

    def build_memory(
        self, without: HeldOutClasses | None = None, base_text: Float[Tensor, "c s"] | None = None
    ) -> BaseClassMemory:
        """What is known of all base classes, or `without` some; the maps are between their texts and weights.

        `base_text` stands in for their class vectors, where training draws other descriptors.
        """
        metric = Metric(self.transform, self.precision) if without is None else without.metric
        held_out_mask = None if without is None else without.held_out_mask
        transform = torch.addmm(metric.transform, metric.transform, self.transform_change)
        metric = Metric(transform, metric.precision * self.log_precision_factor.exp())
        text = self.base_text if base_text is None else base_text
        weights, layer, read = self._in_space(transform)
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

    def semantic_weights(self, text: Float[Tensor, "*b n s"], memory: BaseClassMemory) -> Float[Tensor, "*e n d"]:
        """M_sv: weights of classes from their class vectors."""
        weights: Tensor = self.reconstructor(text, memory.to_visual, memory.layer)
        return weights

    def visual_weights(self, mean: Float[Tensor, "e n d"], memory: BaseClassMemory) -> Float[Tensor, "e n d"]:
        """Weights of classes from the mean of their supports, and from the base classes that it recalls."""
        if self.generator is None:
            return mean
        reread = self.semantic_weights(memory.to_text(mean), memory)
        predicted = self.semantic_weights(memory.text, memory)
        weights: Tensor = self.generator(mean, reread, memory.weights, predicted, memory.read, memory.held_out_mask)
        return weights

    def both_weights(
        self,
        mean: Float[Tensor, "e n d"],
        semantic: Float[Tensor, "e n d"],
        memory: BaseClassMemory,
        *,
        shots: int,
        visual: Float[Tensor, "e n d"] | None = None,
    ) -> Weights:
        """Visual and semantic weights, with the gate between them; `mean` is that of `shots` supports.

        `visual`: the visual ones, where they are known.
        """
        visual = self.visual_weights(mean, memory) if visual is None else visual
        gate = 1.0 if self.text_gate is None else self.text_gate(mean, semantic, memory.metric.precision, shots)
        return Weights(visual, semantic, memory, gate)

    def classify(
        self,
        weights: Weights,
        *,
        shots: float | Float[Tensor, "e n 1"],
        alpha: float | Float[Tensor, "e 1 1"],
        of_task: TaskFusion = AS_ON_VAL,
        variance_shots: float | Float[Tensor, "e 1 1"] | None = None,
    ) -> tuple[Float[Tensor, "e n d"], Float[Tensor, "e n"]]:
        """Classifiers, weights and biases: scores are z @ w + b of projected queries z.

        They are log-likelihoods in nats, but for a number that all classes share, where the fusion is `evidence` (and
        `of_task` adds no cosines). Where `shots` differ by class, `variance_shots` is the number that all classes'
        variance is of: with its own, the largest class would draw all queries to itself (`evidence` alone).
        """
        slope = of_task.slope
        if self.fusion == "evidence":
            precision = weights.memory.metric.precision if of_task.precision is None else of_task.precision
            mean, variance = fuse_evidence(
                weights.visual, slope * weights.semantic, precision,
                shots=shots, alpha=alpha, gate=weights.gate, offset=of_task.offset,
            )  # fmt: skip
            if variance_shots is not None:
                variance = evidence_variance(precision, shots=variance_shots, alpha=alpha)
            weight, bias = mean / variance, -(mean.square() / variance).sum(-1) / 2
            if of_task.cosine:
                parts = weights.visual, weights.semantic
                cosines = weights.memory.cosine_expert.weights(*parts, shots=shots, believed=of_task.believed)
                weight = weight + of_task.cosine * cosines
        else:
            # One for all directions.
            gate = weights.gate * (slope if isinstance(slope, float) else slope.mean(-1, keepdim=True))
            if self.fusion == "convex":
                unit = fuse(weights.visual, weights.semantic, alpha=gated_alpha(alpha, gate))
            else:
                unit = add(weights.visual, weights.semantic, shots=shots, alpha=alpha * gate)
            weight, bias = SHARPNESS * unit, unit.new_zeros(unit.shape[:-1])
        scale = self.log_scale.exp()
        return scale * weight, scale * bias
