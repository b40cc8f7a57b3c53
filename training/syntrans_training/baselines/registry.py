"""The methods that a table shows beside ours: what each looks at, what val decides for it, what is trained for it.

Visual baselines look at plain features, as they were published; methods with text look at the standardised features
and class vectors that ours uses, so that a difference to it is one of method.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from syntrans_training.baselines.losses import alignment_loss, attention_loss, gate_loss
from syntrans_training.bridge.split_features import SplitFeatures
from syntrans_training.engine.head_trainer import fit_head
from syntrans_training.episodes.base_class_tasks import PseudoNovelSampler
from syntrans_training.methods import (
    AM3,
    AttentionWeights,
    CosineClassifier,
    Euclidean,
    KnowledgeTransfer,
    LogisticRegression,
    Method,
    RidgeRegression,
    Semantic,
    SemanticAlignment,
    SimpleShot,
    TipAdapter,
)
from syntrans_training.modules.am3_gate import AM3Gate
from syntrans_training.modules.attention import AttentionGenerator
from syntrans_training.modules.semalign import SemAlign
from syntrans_training.modules.whiten import class_means

Tensors = Mapping[str, Tensor]
VAL_CHECKS = 5  # at val while a head is trained


@dataclass(frozen=True)
class BaseClasses:
    """The base classes for heads: raw and standardised features [n, d], labels [n], class vectors [C, s]."""

    raw: Float[Tensor, "n d"]
    standard: Float[Tensor, "n d"]
    labels: Int[Tensor, " n"]
    text: Float[Tensor, "c s"]


@dataclass(frozen=True)
class HeadTraining:
    """How heads are trained: `steps` of `batch` tasks (or of 128 pictures), learning rate, hidden units, seed."""

    ways: int
    shots: int
    queries: int
    steps: int
    batch: int
    lr: float
    hidden: int
    seed: int


# (base, training, accuracy on val of the method that the tensors so far make) -> tensors
Train = Callable[[BaseClasses, HeadTraining, Callable[[Tensors], float]], dict[str, Tensor]]


@dataclass(frozen=True)
class Baseline:
    """One method: `build(side, shots, tensors, **setting)`, with `grid` of settings for val to choose from."""

    group: Literal["visual", "semantic"]
    view: Literal["raw", "unit", "standard"]
    build: Callable[..., Method]
    grid: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    train: Train | None = None
    needs_clip: bool = False
    on_views: bool = False  # supports are augmented views, where there are some
    on_tasks: bool = False  # trained on tasks of base classes

    def features(self, features: SplitFeatures) -> Float[Tensor, "n d"]:
        """What it looks at."""
        found: Tensor = getattr(features, self.view)
        return found


def _fit(
    module: nn.Module,
    loss: Callable[[int], Tensor],
    training: HeadTraining,
    validate: Callable[[Tensors], float],
) -> dict[str, Tensor]:
    fit_head(
        module,
        loss,
        steps=training.steps,
        lr=training.lr,
        val_checks=VAL_CHECKS,
        validate=lambda: validate(module.state_dict()),
    )
    return dict(module.state_dict())


def _tasks(base: BaseClasses, training: HeadTraining) -> PseudoNovelSampler:
    return PseudoNovelSampler(
        base.standard,
        base.labels,
        ways=training.ways,
        shots=training.shots,
        queries=training.queries,
        batch=training.batch,
        seed=training.seed,
    )


def _train_attention(
    base: BaseClasses, training: HeadTraining, validate: Callable[[Tensors], float]
) -> dict[str, Tensor]:
    torch.manual_seed(training.seed)
    net, tasks = AttentionGenerator(class_means(base.standard, base.labels)), _tasks(base, training)
    return _fit(net, lambda step: attention_loss(net, tasks.draw(step)), training, validate)


def _train_gate(base: BaseClasses, training: HeadTraining, validate: Callable[[Tensors], float]) -> dict[str, Tensor]:
    torch.manual_seed(training.seed)
    net, tasks = AM3Gate(base.text.shape[1], base.standard.shape[1]), _tasks(base, training)
    return _fit(net, lambda step: gate_loss(net, tasks.draw(step), base.text), training, validate)


def _train_alignment(
    base: BaseClasses, training: HeadTraining, validate: Callable[[Tensors], float]
) -> dict[str, Tensor]:
    torch.manual_seed(training.seed)
    net = SemAlign(base.text.shape[1], base.standard.shape[1], hidden=training.hidden)
    centres = class_means(base.standard, base.labels)

    def loss(step: int) -> Tensor:
        generator = torch.Generator().manual_seed(training.seed * 1_000_003 + step)
        items = torch.randint(len(base.labels), (128,), generator=generator)
        return alignment_loss(net, base.standard[items], base.labels[items], base.text, centres)

    return _fit(net, loss, training, validate)


def _loaded(module: nn.Module, tensors: Tensors) -> Any:
    module.load_state_dict(dict(tensors))
    return module.eval().requires_grad_(requires_grad=False)


def _attention(_features: SplitFeatures, _shots: int, tensors: Tensors) -> Method:
    return AttentionWeights(_loaded(AttentionGenerator(tensors["base"]), tensors))


def _am3(features: SplitFeatures, shots: int, tensors: Tensors) -> Method:
    hidden, text_dim = tensors["transform.0.weight"].shape
    gate = AM3Gate(text_dim, len(tensors["transform.3.bias"]), hidden=hidden)
    return AM3(_loaded(gate, tensors), features.text(features.main, shots))


def _semalign(features: SplitFeatures, shots: int, tensors: Tensors, *, k: float) -> Method:
    text = features.text(features.main, shots)
    hidden, d = len(tensors["layers.0.bias"]), len(tensors["layers.2.bias"])
    return SemanticAlignment(_loaded(SemAlign(text.shape[1], d, hidden=hidden), tensors), text, k=k)


def _simpleshot(_features: SplitFeatures, _shots: int, tensors: Tensors) -> Method:
    return SimpleShot(tensors["mean"])


def _base_mean(base: BaseClasses, _training: HeadTraining, _validate: Callable[[Tensors], float]) -> dict[str, Tensor]:
    return {"mean": base.raw.mean(0)}


def _knowledge_transfer(features: SplitFeatures, shots: int, _tensors: Tensors) -> Method:
    return KnowledgeTransfer(features.semantic(features.main, shots))


def _zero_shot(features: SplitFeatures, _shots: int, _tensors: Tensors, *, variant: str) -> Method:
    return Semantic(features.vectors(features.main if variant == "descriptors" else "name", 0.0, 0))


def _tip(features: SplitFeatures, _shots: int, _tensors: Tensors, **setting: Any) -> Method:
    return TipAdapter(features.vectors(features.main, 0.0, 0), **setting)


def _plain(
    kind: Callable[..., Method], _features: SplitFeatures, _shots: int, _tensors: Tensors, **setting: Any
) -> Method:
    return kind(**setting)


_TIP = {"alpha": (1.0, 3.0, 10.0, 30.0), "beta": (1.0, 3.0, 5.5)}

BASELINES: dict[str, Baseline] = {
    "euclidean": Baseline("visual", "raw", partial(_plain, Euclidean)),
    "simpleshot": Baseline("visual", "raw", _simpleshot, train=_base_mean),
    "logistic": Baseline("visual", "unit", partial(_plain, LogisticRegression), {"c": (0.1, 1.0, 10.0)}, on_views=True),
    "ridge": Baseline("visual", "unit", partial(_plain, RidgeRegression), {"lam": (0.01, 0.1, 1.0, 10.0)}),
    "cosine": Baseline("visual", "unit", partial(_plain, CosineClassifier), {"steps": (20, 60), "lr": (1e-3, 1e-2)}),
    "gidaris": Baseline("visual", "standard", _attention, train=_train_attention, on_tasks=True),
    "fsktn": Baseline("semantic", "standard", _knowledge_transfer),
    "am3": Baseline("semantic", "standard", _am3, train=_train_gate, on_tasks=True),
    "semalign": Baseline(
        "semantic", "standard", _semalign, {"k": tuple(i / 10 for i in range(11))}, train=_train_alignment
    ),
    "zero_shot_name": Baseline("semantic", "unit", partial(_zero_shot, variant="name"), needs_clip=True),
    "zero_shot_descriptors": Baseline("semantic", "unit", partial(_zero_shot, variant="descriptors"), needs_clip=True),
    "tip_adapter": Baseline("semantic", "unit", _tip, _TIP, needs_clip=True),
    "tip_adapter_f": Baseline("semantic", "unit", _tip, {**_TIP, "steps": (20,)}, needs_clip=True),
}
