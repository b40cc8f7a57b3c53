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

from syntrans_training.modules.shared_space import Phi
from syntrans_training.modules.vsbird import BaseClassMemory, VSBird
from syntrans_training.prediction.class_means import ROUNDS, SCALE, beliefs
from syntrans_training.prediction.space import Array, Labels
from syntrans_training.text.task_alpha import ClassSpread, Judged, Supports, TextWorth


@dataclass(frozen=True)
class TrainedBridge:
    """One head with its `alpha`, 0 visual to 1 semantic, and the `temperature` of its scores; a `space.Bridge`.

    With val's `spread` the fusion is what the task's pictures say of it (text/task_alpha.py).
    """

    phi: Phi
    head: VSBird
    alpha: float
    temperature: float = 1.0
    spread: ClassSpread | None = None

    @cached_property
    def memory(self) -> BaseClassMemory:
        """What the head knows of the base classes."""
        with torch.inference_mode():
            return self.head.build_memory()

    @cached_property
    def worth(self) -> TextWorth | None:
        """What judges the texts of a task."""
        return None if self.spread is None else TextWorth(self.spread, self.memory.metric.precision)

    def project(self, features: Array) -> Array:
        """Raw features [n, d] in the shared space [n, r]."""
        with torch.inference_mode():
            return _array(self.memory.project(self.phi(_tensor(features))))

    def semantic(self, vectors: Array) -> Array:
        """What class vectors [n, s] predict of class means [n, r]."""
        with torch.inference_mode():
            return _array(self.head.semantic(_tensor(vectors), self.memory))

    def classes(self, supports: Array, labels: Labels, texts: Array | None, n_classes: int) -> "BridgeClasses":
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

    def judge(self, sums: Array, counts: Array | Labels, text: Array) -> Judged | None:
        """How pictures with these sums [C, r] and numbers [C, 1] by class are fused."""
        seen = counts[:, 0] > 0
        if self.worth is None or seen.sum() < 2:
            return None
        means, shots = sums[seen] / counts[seen], float(counts[seen].mean())
        shown = Supports(_tensor(means)[None], _tensor(text[seen])[None], shots)
        with torch.inference_mode():
            return self.worth.judge(self.alpha, shown)

    def classifier(
        self,
        means: Array,
        text: Array,
        shots: int,
        seen: Array | None = None,
        *,
        judged: Judged | None = None,
        pictures: float | None = None,
    ) -> tuple[Array, Array]:
        """Weights [n, r] and biases [n] of classes from means and texts [n, r], which give `ClassModel.scores`.

        The means are those of `pictures`, by default of `shots`: the more, the less the text weighs beside them. With
        `seen` [n, 1] they are what remains without the text, whose place in a class that is not seen is empty too.
        """
        with torch.inference_mode():
            mean, semantic = _tensor(means)[None], _tensor(text)[None]
            made = self.head.weights(mean, semantic, self.memory, shots=shots)
            if seen is not None:
                there = _tensor(seen)
                visual = made.visual * there + (0.0 if judged is None else judged.offset[0]) * (1 - there)
                made = replace(made, visual=visual, semantic=torch.zeros_like(made.semantic))
            fused = {} if judged is None else vars(judged)
            count = shots if pictures is None else pictures
            weight, bias = self.head.classifier(made, shots=count, alpha=self.alpha, **fused)
            factor = self.temperature / SCALE
            return _array(factor * weight[0]), _array(factor * bias[0])


@dataclass(frozen=True)
class BridgeClasses:
    """A `class_means.ClassModel`: `sums` [C, r] of `counts` [C, 1] supports, and what `text` [C, r] says of them.

    `unlabelled` [C, r] are means of unlabelled pictures, `worth` [C, 1] so many supports. How they are
    fused is `judged` by all supports, and by the unlabelled pictures where they count.
    """

    bridge: TrainedBridge
    sums: Array
    counts: Labels
    text: Array
    has_text: bool
    shots: int
    unlabelled: Array
    worth: Array
    judged: Judged | None

    @property
    def pictures(self) -> Array:
        """Means of the supports [C, r]; zero where there are none."""
        found: Array = self.sums / np.maximum(self.counts, 1)
        return found

    def place(self, z: Array) -> Array:
        """The space is centred on the base classes already."""
        return z

    def scores(self, placed: Array) -> Array:
        """See `ClassModel`."""
        return _linear(placed, *self._classifier)

    def text_scores(self, placed: Array) -> Array:
        """The scores without those that remain when the text says nothing."""
        if not self.has_text:
            return np.zeros((len(placed), len(self.text)), np.float32)
        seen = (self.counts > 0).astype(np.float32)
        mute = self._make(self._means, self.text, seen)
        found: Array = self.scores(placed) - _linear(placed, *mute)
        return found

    def left_out_scores(self, supports: Array, labels: Labels) -> Array:
        """See `ClassModel`."""
        scores = self.scores(supports)
        rest = self._pictures[labels] - 1
        told, text = self._told[labels], self.text[labels]
        means = np.where(rest > 0, (self._totals[labels] - supports) / np.maximum(rest, 1e-6), told)
        weight, bias = self._make(means.astype(np.float32), text)
        scores[np.arange(len(labels)), labels] = (supports * weight).sum(1) + bias
        return scores

    def with_queries(self, z: Array, known: Array | float = 1.0) -> "BridgeClasses":
        """See `ClassModel`."""
        moved = self
        for _ in range(ROUNDS):
            belief, worth = beliefs(moved.scores(z), known)
            mass, sums = belief.sum(0)[:, None], belief.T @ z
            moved = replace(
                moved,
                unlabelled=(sums / np.maximum(mass, 1e-12)).astype(np.float32),
                worth=worth.astype(np.float32),
                judged=self.bridge.judge(self.sums + sums, self.counts + mass, self.text),
            )
        return moved

    @property
    def _totals(self) -> Array:
        """Sums of the supports and of what the unlabelled pictures are worth; a class that is not seen has its text."""
        found: Array = np.where(self.counts > 0, self.sums, self._told) + self.worth * self.unlabelled
        return found

    @property
    def _told(self) -> Array:
        """Where the text has the mean of every class among the pictures of this task [C, r]."""
        if self.judged is None:
            return self.text
        return _array(self.judged.slope[0] * _tensor(self.text) + self.judged.offset[0])

    @property
    def _pictures(self) -> Array:
        found: Array = np.maximum(self.counts, 1) + self.worth
        return found

    @cached_property
    def _classifier(self) -> tuple[Array, Array]:
        return self._make(self._means, self.text)

    def _make(self, means: Array, text: Array, seen: Array | None = None) -> tuple[Array, Array]:
        # One number for all classes: with its own, the largest class would draw all pictures to itself.
        count = self.shots + float(self.worth.mean())
        return self.bridge.classifier(means, text, self.shots, seen, judged=self.judged, pictures=count)

    @property
    def _means(self) -> Array:
        return np.asarray(self._totals / self._pictures, np.float32)


def _linear(placed: Array, weight: Array, bias: Array) -> Array:
    return np.asarray(placed @ weight.T + bias, np.float32)


def _tensor(x: Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(x, np.float32))


def _array(x: Tensor) -> Array:
    found: Array = x.numpy()
    return found
