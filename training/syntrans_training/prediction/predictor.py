"""The core that the command and `FewShotClassifier` share: from features of supports and queries to answers.

Everything here is numpy and takes no picture: `fit` on support features, `Predictor.predict` on query features.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from syntrans.errors import InputError, UsageError
from syntrans_training.prediction.calibration import (
    NOVELTY_SLOPE,
    Calibration,
    calibrate,
    novelty_scores,
    novelty_threshold,
)
from syntrans_training.prediction.class_means import ClassModel, class_directions
from syntrans_training.prediction.inputs.knowledge import ClassTexts
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

    `probabilities` [n, C]; `members` [n, C] of the prediction sets; `none` [n]: it shows none of the classes, always
    false where that was not learned; `placed` [n, r] and `directions` are what the reasons are read from.
    """

    probabilities: Array
    members: NDArray[np.bool_]
    novelty: Array
    none: NDArray[np.bool_]
    novelty_threshold: float | None
    placed: Array
    directions: ClassModel
    calibration: Calibration

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
        # Unlabelled pictures of no class would draw the directions to themselves: novelty asks supports and texts.
        threshold = novelty_threshold(alone, self.supports, self.labels, self.space.background)
        placed = alone.place(z)
        novelty = novelty_scores(alone.scores(placed).max(1), placed, alone, self.space.background)
        known = 1.0 if threshold is None else 1 / (1 + np.exp(-NOVELTY_SLOPE * (novelty - threshold)))
        directions = alone if self.settings.inductive or not len(z) else alone.with_queries(z, known)
        calibration = calibrate(directions, self.supports, self.labels, self.settings.coverage)
        placed = directions.place(z)
        probabilities = calibration.probabilities(directions.scores(placed))
        members = calibration.sets(probabilities, self.settings.coverage)
        none = np.zeros(len(z), bool) if threshold is None else novelty < threshold
        return Predictions(probabilities, members, novelty, none, threshold, placed, directions, calibration)


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
