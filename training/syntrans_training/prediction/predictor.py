"""The core that the command and `FewShotClassifier` share: from features of supports and queries to answers.

Everything here is numpy and takes no picture: `fit` on support features, `Predictor.predict` on query features.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from syntrans.errors import InputError, UsageError
from syntrans_training.prediction.calibration import Calibration, calibrate
from syntrans_training.prediction.class_means import ClassModel, class_directions
from syntrans_training.prediction.inputs.knowledge import ClassTexts
from syntrans_training.prediction.novelty import Known, Verdict
from syntrans_training.prediction.space import Array, Labels, Space


@dataclass(frozen=True)
class Settings:
    """`coverage` of prediction sets, in (0, 1); `inductive`: every picture is named as if it were the only one."""

    coverage: float = 0.95
    inductive: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.coverage < 1:
            raise UsageError(f"coverage {self.coverage} must lie between 0 and 1; 0.95 is usual")


@dataclass(frozen=True)
class Predictions:
    """Answers for n pictures and C classes.

    `probabilities` [n, C]; `members` [n, C] of the prediction sets; `verdict`: which show none of the classes, and the
    classes that they were named by; `placed` [n, r] as those take pictures.
    """

    probabilities: Array
    members: NDArray[np.bool_]
    verdict: Verdict
    placed: Array
    calibration: Calibration

    @property
    def none(self) -> NDArray[np.bool_]:
        """[n], it shows none of the classes; always false where that was not learned."""
        return self.verdict.none

    @property
    def directions(self) -> ClassModel:
        """The classes that the reasons are read from."""
        return self.verdict.classes

    @property
    def labels(self) -> Labels:
        """[n], the likeliest class."""
        return np.asarray(self.probabilities.argmax(1), np.int64)


@dataclass(frozen=True)
class Predictor:
    """Supports [n, r] in their space, `labels` [n] into `classes`, and what text says [C, r] (None without)."""

    classes: tuple[str, ...]
    supports: Array
    labels: Labels
    space: Space
    texts: ClassTexts | None
    text_means: Array | None
    settings: Settings

    @property
    def counts(self) -> Labels:
        """Supports of every class [C]."""
        return np.bincount(self.labels, minlength=len(self.classes))

    def predict(self, features: Array) -> Predictions:
        """Answers for raw features [n, d]."""
        z = self.space.project(features)
        make = class_directions if self.space.bridge is None else self.space.bridge.classes
        alone = make(self.supports, self.labels, self.text_means, len(self.classes))
        known = Known(self.supports, self.labels, self.space.background)
        verdict = known.judge(alone, z, together=not self.settings.inductive)
        calibration = calibrate(verdict.classes, self.supports, self.labels, self.settings.coverage)
        placed = verdict.classes.place(z)
        probabilities = calibration.probabilities(verdict.classes.scores(placed))
        members = calibration.sets(probabilities, self.settings.coverage)
        return Predictions(probabilities, members, verdict, placed, calibration)


def fit(
    features: Array,
    labels: Labels,
    classes: tuple[str, ...],
    space: Space,
    texts: ClassTexts | None,
    settings: Settings,
) -> Predictor:
    """A predictor from support features [n, d]; a class without support needs a text.

    Raises `InputError` with fewer than two classes, or a class of which nothing is known.
    """
    if len(classes) < 2:
        raise InputError(f"{len(classes)} class is not enough to choose between; give at least two")
    missing = [name for name, n in zip(classes, np.bincount(labels, minlength=len(classes)), strict=True) if n == 0]
    if missing and (texts is None or space.text is None):
        raise InputError(
            f"class {missing[0]!r} has no readable picture, and no text is used; add a picture or take its folder away"
        )
    text_means = None if texts is None or space.text is None else space.text(texts.vectors)
    supports = space.project(features)
    return Predictor(classes, supports, labels, space, texts if text_means is not None else None, text_means, settings)
