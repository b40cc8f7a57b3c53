"""Classes made by a bridge that `syntrans train` trained: its weights, its fusion and the alpha that val chose.

The scores are those of `methods.SynTrans` times the temperature that val chose, divided by `SCALE`, so that what
predict learns about its scale starts at the probabilities of an evaluation. Unlabelled pictures count as further
pictures of the classes that they probably show (class_means.py, docs/method.md (34)); without them the likeliest class
is the one that an evaluation finds.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from syntrans_training.modules.fusion import TaskFusion
from syntrans_training.modules.shared_space import Phi
from syntrans_training.modules.vsbird import BaseClassMemory, VSBird
from syntrans_training.prediction.class_means import ROUNDS, SCALE, beliefs
from syntrans_training.prediction.shapes import Float, Int, Real
from syntrans_training.text.task_alpha import ClassSpread, Supports, TextWorth


@dataclass(frozen=True)
class TrainedBridge:
    """One head with its `alpha`, 0 visual to 1 semantic, and the `temperature` of its scores; a `space.Bridge`.

    `elsewhere` is the temperature of scores that have cosines too. With val's `spread` the fusion is what the task's
    pictures say of it (text/task_alpha.py). Where a head that was trained with texts `reads_text` no more, the mean of
    all classes stands in their place.
    """

    phi: Phi
    head: VSBird
    alpha: float
    temperature: float = 1.0
    spread: ClassSpread | None = None
    reads_text: bool = True
    elsewhere: float = 1.0

    @cached_property
    def memory(self) -> BaseClassMemory:
        """What the head knows of the base classes."""
        with torch.inference_mode():
            return self.head.build_memory()

    @cached_property
    def worth(self) -> TextWorth | None:
        """What judges the texts of a task."""
        return None if self.spread is None else TextWorth(self.spread, self.memory.metric.precision)

    def project(self, features: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n r"]:
        """Raw features in the shared space."""
        with torch.inference_mode():
            return _array(self.memory.project(self.phi(_tensor(features))))

    def semantic(self, vectors: Float[np.ndarray, "n s"]) -> Float[np.ndarray, "n r"]:
        """What class vectors predict of class means."""
        with torch.inference_mode():
            return _array(self.head.semantic_weights(_tensor(vectors), self.memory))

    def classes(
        self,
        supports: Float[np.ndarray, "n r"],
        labels: Int[np.ndarray, " n"],
        texts: Float[np.ndarray, "c r"] | None,
        n_classes: int,
    ) -> "BridgeClasses":
        """See `space.Bridge`. The number of shots is the median of the classes' supports; at least 1."""
        counts = np.bincount(labels, minlength=n_classes)
        sums = np.zeros((n_classes, len(self.memory.metric.precision)), np.float32)
        np.add.at(sums, labels, supports)
        silent = np.zeros((n_classes, self.head.base_text.shape[1]), np.float32)
        text = self.semantic(silent) if texts is None else texts
        shots = round(float(np.median(counts[counts > 0]))) if counts.any() else 1
        nothing = np.zeros_like(sums)
        judged = self.judge(sums, counts[:, None], text)
        return BridgeClasses(
            self, sums, counts[:, None], text, texts is not None, shots, nothing, nothing[:, :1], judged
        )

    def judge(
        self,
        sums: Float[np.ndarray, "c r"],
        counts: Real[np.ndarray, "c 1"],
        text: Float[np.ndarray, "c r"],
    ) -> TaskFusion | None:
        """How pictures with these sums and numbers by class are fused."""
        seen = counts[:, 0] > 0
        if self.worth is None or seen.sum() < 2:
            return None
        means, shots = sums[seen] / counts[seen], float(counts[seen].mean())
        shown = Supports(_tensor(means)[None], _tensor(text[seen])[None], shots)
        with torch.inference_mode():
            return self.worth.judge(self.alpha, shown)

    def classifier(
        self,
        means: Float[np.ndarray, "n r"],
        text: Float[np.ndarray, "n r"],
        shots: int,
        seen: Float[np.ndarray, "n 1"] | None = None,
        *,
        judged: TaskFusion | None = None,
        pictures: float | None = None,
    ) -> tuple[Float[np.ndarray, "n r"], Float[np.ndarray, " n"]]:
        """Weights and biases of classes from means and texts, which give `ClassModel.scores`.

        The means are those of `pictures`, by default of `shots`: the more, the less the text weighs beside them. With
        `seen` they are what remains without the text, whose place in a class that is not seen is empty too.
        """
        fused = TaskFusion(slope=float(self.reads_text)) if judged is None else judged
        with torch.inference_mode():
            mean, semantic = _tensor(means)[None], _tensor(text)[None]
            weights = self.head.both_weights(mean, semantic, self.memory, shots=shots)
            if seen is not None:
                there = _tensor(seen)
                visual = weights.visual * there + fused.offset * (1 - there)
                weights = replace(weights, visual=visual, semantic=torch.zeros_like(weights.semantic))
            count = shots if pictures is None else pictures
            weight, bias = self.head.classify(weights, shots=count, alpha=self.alpha, of_task=fused)
            factor = (self.elsewhere if fused.cosine else self.temperature) / SCALE
            return _array(factor * weight[0]), _array(factor * bias[0])


@dataclass(frozen=True)
class BridgeClasses:
    """A `class_model.ClassModel`: `sums` of `counts` supports, and what `text` says of them.

    `unlabelled` are means of unlabelled pictures, `worth` so many supports. How they are fused is `judged` by all
    supports, and by the unlabelled pictures where they count. `purity` in [0, 1]: how surely those show the classes
    that they count for.
    """

    bridge: TrainedBridge
    sums: Float[np.ndarray, "c r"]
    counts: Int[np.ndarray, "c 1"]
    text: Float[np.ndarray, "c r"]
    has_text: bool
    shots: int
    unlabelled: Float[np.ndarray, "c r"]
    worth: Float[np.ndarray, "c 1"]
    judged: TaskFusion | None
    purity: float = 1.0

    @property
    def pictures(self) -> Float[np.ndarray, "c r"]:
        """Means of the supports; zero where there are none."""
        return np.asarray(self.sums / np.maximum(self.counts, 1))

    def place(self, z: Float[np.ndarray, "n r"]) -> Float[np.ndarray, "n r"]:
        """The space is centred on the base classes already."""
        return z

    def scores(self, placed: Float[np.ndarray, "n r"]) -> Float[np.ndarray, "n c"]:
        """See `ClassModel`."""
        return _linear(placed, *self._classifier)

    def text_scores(self, placed: Float[np.ndarray, "n r"]) -> Float[np.ndarray, "n c"]:
        """The scores without those that remain when the text says nothing."""
        if not self.has_text:
            return np.zeros((len(placed), len(self.text)), np.float32)
        seen = (self.counts > 0).astype(np.float32)
        mute = self._make(self._means, self.text, seen)
        return np.asarray(self.scores(placed) - _linear(placed, *mute))

    def left_out_scores(
        self, supports: Float[np.ndarray, "n r"], labels: Int[np.ndarray, " n"]
    ) -> Float[np.ndarray, "n c"]:
        """See `ClassModel`."""
        scores = self.scores(supports)
        rest = self._pictures[labels] - 1
        means = np.where(
            rest > 0, (self._totals[labels] - supports) / np.maximum(rest, 1e-6), self._means_of_text[labels]
        )
        weight, bias = self._make(means.astype(np.float32), self.text[labels])
        scores[np.arange(len(labels)), labels] = (supports * weight).sum(1) + bias
        return scores

    def with_queries(
        self, z: Float[np.ndarray, "n r"], weight: Float[np.ndarray, " n"] | float = 1.0
    ) -> "BridgeClasses":
        """See `ClassModel`."""
        moved = replace(self, judged=_of_the_model(self.judged))
        for _ in range(ROUNDS):
            belief, worth = beliefs(moved.scores(z), weight)
            mass, sums = belief.sum(0)[:, None], belief.T @ z
            moved = replace(
                moved,
                unlabelled=(sums / np.maximum(mass, 1e-12)).astype(np.float32),
                worth=worth.astype(np.float32),
                purity=float(np.square(belief).sum() / max(belief.sum(), 1e-12)),
                judged=_of_the_model(self.bridge.judge(self.sums + sums, self.counts + mass, self.text)),
            )
        return moved

    @property
    def _totals(self) -> Float[np.ndarray, "c r"]:
        """Sums of the supports and of what the unlabelled pictures are worth; a class that is not seen has its text."""
        shown = np.where(self.counts > 0, self.sums, self._means_of_text)
        return np.asarray(shown + self.worth * self.unlabelled)

    @property
    def _means_of_text(self) -> Float[np.ndarray, "c r"]:
        """Where the text has the mean of every class among the pictures of this task."""
        if self.judged is None:
            return self.text
        return _array((self.judged.slope * _tensor(self.text)[None] + self.judged.offset)[0])

    @property
    def _pictures(self) -> Float[np.ndarray, "c 1"]:
        return np.asarray(np.maximum(self.counts, 1) + self.worth)

    @cached_property
    def _classifier(self) -> tuple[Float[np.ndarray, "c r"], Float[np.ndarray, " c"]]:
        return self._make(self._means, self.text)

    def _make(
        self,
        means: Float[np.ndarray, "n r"],
        text: Float[np.ndarray, "n r"],
        seen: Float[np.ndarray, "n 1"] | None = None,
    ) -> tuple[Float[np.ndarray, "n r"], Float[np.ndarray, " n"]]:
        # One number for all classes: with its own, the largest class would draw all pictures to itself.
        # A mean to which other classes' pictures are mixed tells less of its own. Beside a text the number also weighs
        # that, and as it stands was better on val.
        sure = 1.0 if self.has_text else self.purity
        count = self.shots + sure * float(self.worth.mean())
        return self.bridge.classifier(means, text, self.shots, seen, judged=self.judged, pictures=count)

    @property
    def _means(self) -> Float[np.ndarray, "c r"]:
        return np.asarray(self._totals / self._pictures, np.float32)


def alpha_without_text(alpha: float, spread: ClassSpread) -> float:
    """Val's `alpha` where the mean of all classes stands in the place of texts, docs/method.md (23).

    The odds of pictures and text are those of their precisions, and around that mean classes vary by what the texts
    leave of their variance and by what they explain.
    """
    explained = spread.slope.square() * spread.text / spread.between
    telling = spread.between / (spread.between + spread.within)  # directions in which classes differ count most
    left = float((1 - explained).clamp(min=0) @ telling / telling.sum())
    odds = left * min(1.0, 2 * alpha) / max(min(1.0, 2 - 2 * alpha), 1e-6)
    return odds / 2 if odds < 1 else 1 - 1 / (2 * odds)


def _of_the_model(judged: TaskFusion | None) -> TaskFusion | None:
    """Without cosines: the shares of unlabelled pictures are to be those of the two-covariance model."""
    return None if judged is None else replace(judged, cosine=0.0)


def _linear(
    placed: Float[np.ndarray, "n r"], weight: Float[np.ndarray, "c r"], bias: Float[np.ndarray, " c"]
) -> Float[np.ndarray, "n c"]:
    return np.asarray(placed @ weight.T + bias, np.float32)


def _tensor(x: Real[np.ndarray, "*n"]) -> Float[Tensor, "*n"]:
    return torch.from_numpy(np.ascontiguousarray(x, np.float32))


def _array(x: Float[Tensor, "*n"]) -> Float[np.ndarray, "*n"]:
    return np.asarray(x.numpy())
