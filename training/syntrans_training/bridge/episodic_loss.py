"""Training the bridge (modules/vsbird.py) on tasks of base classes that play novel ones.

docs/method.md (26). The classes of a task are in no map, no
memory and no metric while it is solved, so the head learns to judge classes that it has not seen. Derived, each
measured on Caltech-101's val classes before it became the default (docs/results.md):
  scatter      novel classes scatter more than the classes that the encoder was trained on; supports and queries move by
               the differences of other base pictures to their class means, which about doubles a class's spread
  wrong texts  in a share of the places the text of another class is shown, which teaches the gate to doubt
  loss weights 0.1 for the terms beside the main one; 0.5 and 1 cost what the main one gains
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from syntrans_training.episodes.base_class_tasks import PseudoNovelTasks, take
from syntrans_training.episodes.class_index import query_labels
from syntrans_training.modules.vsbird import BaseClassMemory, HeldOutClasses, VSBird, Weights


@dataclass(frozen=True)
class LossWeights:
    """Of the terms beside the cross-entropy of the fused weights."""

    visual: float = 0.1
    semantic: float = 0.1
    reconstruction: float = 0.1
    cycle: float = 0.1


@dataclass(frozen=True)
class Shown:
    """The texts of a step: class vectors of all base classes [c, s], and which of them each place is shown [e, n]."""

    text: Float[Tensor, "c s"]
    classes: Int[Tensor, "e n"]


def show(classes: Int[Tensor, "e n"], text: Float[Tensor, "c s"], *, wrong: float, generator: torch.Generator) -> Shown:
    """Every place its own class's text, but with probability `wrong` that of any class."""
    other = torch.randint(len(text), classes.shape, generator=generator)
    swapped = torch.rand(classes.shape, generator=generator) < wrong
    return Shown(text, torch.where(swapped, other, classes))


def scatter(
    features: Float[Tensor, "*b d"], residuals: Float[Tensor, "i d"], *, amount: float, generator: torch.Generator
) -> Float[Tensor, "*b d"]:
    """Move every picture by `amount` times the residual of some base picture to its class mean."""
    if not amount:
        return features
    of = torch.randint(len(residuals), features.shape[:-1], generator=generator)
    return torch.add(features, take(residuals, of), alpha=amount)


def bridge_loss(
    head: VSBird,
    batch: PseudoNovelTasks,
    shown: Shown,
    without: HeldOutClasses,
    *,
    alpha: Float[Tensor, "e 1 1"],
    weights: LossWeights,
) -> dict[str, Tensor]:
    """The named terms of docs/method.md (26), weighted; their sum is minimised. The batch's classes are `without`."""
    memory = head.build_memory(without, shown.text)
    shots = batch.support.shape[2]
    mean = memory.project(batch.support.mean(2))
    semantic = head.semantic_weights(shown.text[shown.classes], memory)
    both = head.both_weights(mean, semantic, memory, shots=shots)
    fusions: dict[str, tuple[float | Tensor, Weights, float]] = {
        "fused": (alpha, both, 1.0),
        "visual": (0.0, both, weights.visual),
        "semantic": (1.0, replace(both, visual=semantic), weights.semantic),
    }
    used = {name: (share, of, weight) for name, (share, of, weight) in fusions.items() if weight}
    linear = [head.classify(of, shots=shots, alpha=share) for share, of, _ in used.values()]
    entropies = _entropies(linear, memory, batch.query)
    terms = {name: weight * entropy for (name, (_, _, weight)), entropy in zip(used.items(), entropies, strict=True)}
    if weights.reconstruction:
        true = memory.weights[batch.classes]
        true_text = (shown.classes == batch.classes).to(true.dtype)
        missed = 1 - F.cosine_similarity(semantic, true, dim=-1)
        terms["reconstruction"] = weights.reconstruction * (missed * true_text).sum() / true_text.sum().clamp(min=1)
    if weights.cycle:
        terms["cycle"] = weights.cycle * _cycle(head, both.visual, batch.classes, memory)
    return terms


def _entropies(
    linear: Sequence[tuple[Tensor, Tensor]], memory: BaseClassMemory, query: Float[Tensor, "e m d"]
) -> Float[Tensor, " t"]:
    """The cross-entropy of each of t classifiers (weight [e, n, d], bias [e, n]) on the queries phi.

    The weights are brought to the queries, not the queries into the shared space: there are fewer of them.
    """
    weight, bias = (torch.cat(parts, 1) for parts in zip(*linear, strict=True))
    scores = (weight @ memory.metric.transform) @ query.mT + bias.unsqueeze(-1)
    e, m = query.shape[:2]
    scores = scores.view(e, len(linear), -1, m).transpose(0, 1)  # [t, e, n, m]
    n = scores.shape[2]
    own = query_labels(n, m // n).expand(*scores.shape[:2], m)
    return F.cross_entropy(scores.flatten(0, 1), own.flatten(0, 1), reduction="none").view(own.shape).mean((1, 2))


def _cycle(head: VSBird, visual: Tensor, classes: Tensor, memory: BaseClassMemory) -> Tensor:
    """L_cyc: pictures read as the class's text, and read back as the weights they came from."""
    read, middle = memory.to_text(visual), memory.text.mean(0)
    # class vectors share most of their direction; what tells them apart is the rest
    to_text = 1 - F.cosine_similarity(read - middle, memory.text[classes] - middle, dim=-1)
    back = 1 - F.cosine_similarity(head.semantic_weights(read, memory), visual, dim=-1)
    return to_text.mean() + back.mean()
