"""The methods that a table shows beside ours: what each looks at and what val decides for it.

How those of them that have something to train are trained is in training.py (`RECIPES`).

Visual baselines look at plain features, as they were published; methods with text look at the standardised features
and class vectors that ours uses, so that a difference to it is one of method.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from jaxtyping import Float
from torch import Tensor

from syntrans_training.bridge.split_features import SplitFeatures
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
from syntrans_training.methods.semalign import Reconstruction
from syntrans_training.modules.am3_gate import AM3Gate
from syntrans_training.modules.attention import AttentionGenerator
from syntrans_training.modules.semalign import SemAlign
from syntrans_training.text.class_vectors import KEPT, NAME, SIMILARITIES

Tensors = Mapping[str, Tensor]  # what was trained for a baseline
Made = Callable[..., Method]  # of a setting


@dataclass(frozen=True)
class Baseline:
    """One method: `build(side, shots, tensors)` makes it of a setting, with `grid` of settings for val to choose from.

    Of what a setting does not change there is one for all settings, so that a scorer reads supports once for all.
    """

    group: Literal["visual", "semantic"]
    view: Literal["raw", "unit", "standard"]
    build: Callable[[SplitFeatures, int, Tensors], Made]
    grid: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    needs_clip: bool = False
    on_views: bool = False  # supports are augmented views, where there are some
    on_tasks: bool = False  # trained on tasks of base classes

    def features(self, features: SplitFeatures) -> Float[Tensor, "n d"]:
        """The features that this baseline classifies by."""
        values: Tensor = getattr(features, self.view)
        return values


def _loaded(module: Any, tensors: Tensors) -> Any:
    module.load_state_dict(dict(tensors))
    return module.eval().requires_grad_(requires_grad=False)


def _attention(_features: SplitFeatures, _shots: int, tensors: Tensors) -> Made:
    return partial(AttentionWeights, _loaded(AttentionGenerator(tensors["base"]), tensors))


def _am3(features: SplitFeatures, shots: int, tensors: Tensors) -> Made:
    hidden, text_dim = tensors["transform.0.weight"].shape
    gate = AM3Gate(text_dim, len(tensors["transform.3.bias"]), hidden=hidden)
    return partial(AM3, _loaded(gate, tensors), features.text(features.main, shots))


def _semalign(features: SplitFeatures, shots: int, tensors: Tensors) -> Made:
    text = features.text(features.main, shots)
    hidden, d = len(tensors["layers.0.bias"]), len(tensors["layers.2.bias"])
    network = _loaded(SemAlign(text.shape[1], d, hidden=hidden), tensors)
    return partial(SemanticAlignment, Reconstruction(network, text))


def _simpleshot(_features: SplitFeatures, _shots: int, tensors: Tensors) -> Made:
    return partial(SimpleShot, tensors["mean"])


def _knowledge_transfer(features: SplitFeatures, shots: int, _tensors: Tensors) -> Made:
    return partial(KnowledgeTransfer, features.semantic(features.main, shots))


def _zero_shot(features: SplitFeatures, _shots: int, _tensors: Tensors, *, variant: str) -> Made:
    return partial(Semantic, features.vectors(_for_clip(features) if variant == "descriptors" else NAME, 0.0, 0))


def _dclip(features: SplitFeatures, _shots: int, _tensors: Tensors) -> Made:
    variant = NAME if features.main == NAME else SIMILARITIES
    return partial(Semantic, features.vectors(variant, 0.0, 0), unit=False)


def _for_clip(features: SplitFeatures) -> str:
    """CLIP reads descriptors with the class names in them, as its authors' prompts have them."""
    return NAME if features.main == NAME else KEPT


def _tip(features: SplitFeatures, _shots: int, _tensors: Tensors) -> Made:
    return partial(TipAdapter, features.vectors(_for_clip(features), 0.0, 0))


def _plain(kind: Made, _features: SplitFeatures, _shots: int, _tensors: Tensors) -> Made:
    return kind


_TIP = {"alpha": (1.0, 3.0, 10.0, 30.0), "beta": (1.0, 3.0, 5.5)}

BASELINES: dict[str, Baseline] = {
    "euclidean": Baseline("visual", "raw", partial(_plain, Euclidean)),
    "simpleshot": Baseline("visual", "raw", _simpleshot),
    "logistic": Baseline("visual", "unit", partial(_plain, LogisticRegression), {"c": (0.1, 1.0, 10.0)}, on_views=True),
    "ridge": Baseline("visual", "unit", partial(_plain, RidgeRegression), {"lam": (0.01, 0.1, 1.0, 10.0)}),
    "cosine": Baseline("visual", "unit", partial(_plain, CosineClassifier), {"steps": (20, 60), "lr": (1e-3, 1e-2)}),
    "gidaris": Baseline("visual", "standard", _attention, on_tasks=True),
    "fsktn": Baseline("semantic", "standard", _knowledge_transfer),
    "am3": Baseline("semantic", "standard", _am3, on_tasks=True),
    "semalign": Baseline("semantic", "standard", _semalign, {"k": tuple(i / 100 for i in range(101))}),
    "zero_shot_name": Baseline("semantic", "unit", partial(_zero_shot, variant="name"), needs_clip=True),
    "zero_shot_descriptors": Baseline("semantic", "unit", partial(_zero_shot, variant="descriptors"), needs_clip=True),
    "dclip": Baseline("semantic", "unit", _dclip, needs_clip=True),
    "tip_adapter": Baseline("semantic", "unit", _tip, _TIP, needs_clip=True),
    "tip_adapter_f": Baseline("semantic", "unit", _tip, {**_TIP, "steps": (20,)}, needs_clip=True),
}
