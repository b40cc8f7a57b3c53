"""The core that the command and `FewShotClassifier` share: from features of supports and queries to answers.

Everything here is numpy and takes no picture: `fit` on support features, `Predictor.predict` on query features.
"""

from dataclasses import dataclass

import numpy as np

from syntrans.errors import InputError, UsageError
from syntrans_training.prediction.calibration import Calibration, calibrate
from syntrans_training.prediction.class_means import class_directions
from syntrans_training.prediction.class_model import ClassModel
from syntrans_training.prediction.inputs.knowledge import ClassTexts
from syntrans_training.prediction.novelty import Known, Verdict
from syntrans_training.prediction.shapes import Bool, Float, Int
from syntrans_training.prediction.space import Space


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

    `members` of the prediction sets; `verdict`: which show none of the classes, and the classes that they were named
    by; `placed` as those take pictures.
    """

    probabilities: Float[np.ndarray, "n c"]
    members: Bool[np.ndarray, "n c"]
    verdict: Verdict
    placed: Float[np.ndarray, "n r"]
    calibration: Calibration

    @property
    def none(self) -> Bool[np.ndarray, " n"]:
        """It shows none of the classes; always false where that was not learned."""
        return self.verdict.none

    @property
    def directions(self) -> ClassModel:
        """The classes that the reasons are read from."""
        return self.verdict.classes

    @property
    def labels(self) -> Int[np.ndarray, " n"]:
        """The likeliest class."""
        return np.asarray(self.probabilities.argmax(1), np.int64)


@dataclass(frozen=True)
class Predictor:
    """Supports in their space, `labels` into `classes`, and what text says of them (None without)."""

    classes: tuple[str, ...]
    supports: Float[np.ndarray, "n r"]
    labels: Int[np.ndarray, " n"]
    space: Space
    texts: ClassTexts | None
    text_means: Float[np.ndarray, "c r"] | None
    settings: Settings

    @property
    def counts(self) -> Int[np.ndarray, " c"]:
        """Supports of every class."""
        return np.bincount(self.labels, minlength=len(self.classes))

    def predict(self, features: Float[np.ndarray, "n d"]) -> Predictions:
        """Answers for raw features."""
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
    features: Float[np.ndarray, "n d"],
    labels: Int[np.ndarray, " n"],
    classes: tuple[str, ...],
    space: Space,
    texts: ClassTexts | None,
    settings: Settings,
) -> Predictor:
    """A predictor from support features; a class without support needs a text.

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
