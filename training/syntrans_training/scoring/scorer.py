"""Scoring: every row of a table on every episode, chunk by chunk, and what is kept of it (view.py)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from syntrans.progress import track
from syntrans_training.episodes.sampler import Episodes
from syntrans_training.scoring.metrics import ece, reliability
from syntrans_training.scoring.scored_classifier import UNCALIBRATED, ScoredClassifier
from syntrans_training.scoring.view import views_of


@dataclass(frozen=True)
class EpisodeScores:
    """What one row answered on E episodes of m = N * Q queries; accuracies in [0, 1].

    `correct` [E, m] is the share of the row's methods that got a query right, queries ordered as `Episodes.query`.
    `accuracy` [E] is its mean. `confusion` [C, C] counts true class x predicted class over all queries (and methods).
    `image_correct` [n] sums `correct` over the `image_shown` [n] times that an image was a query. `reliability` [15, 3]
    is that of softmax(scores * temperature), see metrics.py.
    """

    accuracy: NDArray[np.float64]
    correct: NDArray[np.float32]
    confusion: NDArray[np.int64]
    image_correct: NDArray[np.float64]
    image_shown: NDArray[np.int64]
    reliability: NDArray[np.float64]

    @property
    def ece(self) -> float:
        """The expected calibration error."""
        return ece(self.reliability)


def score_episodes(
    rows: Mapping[str, ScoredClassifier], tasks: Episodes, *, n_classes: int, chunk: int
) -> dict[str, EpisodeScores]:
    """Every row on every episode; `n_classes` is that of the split.

    The memory for scores grows with `chunk`, not with the number of episodes; what stays is about 5 bytes per method
    and query. Runs where the rows' features are.
    """
    views = views_of(rows)
    answers_of: dict[str, list[_Answers]] = {name: [] for name in rows}

    def keep(part: Episodes, name: str, scores: Float[Tensor, "e m n"]) -> _Answers:
        return _answers(part, scores, n_classes, rows[name].temperature)

    total = len(tasks) * sum(len(view.methods) for view in views)
    with track(f"{tasks.support.shape[2]}-shot episodes", total, "classifiers") as progress:
        for view in views:
            chunks = []
            for episodes, answers in view.each(tasks, chunk, keep):
                chunks.append(answers)
                progress.advance(episodes * len(answers))
            for name, *of_method in zip(view.rows, *chunks, strict=True):
                answers_of[name].append(_joined(of_method))
    return {name: _outcome(tasks, answers_of[name], len(row.features)) for name, row in rows.items()}


def outcome_of(tasks: Episodes, scores: Float[Tensor, "e m n"], *, n_classes: int, n_images: int) -> EpisodeScores:
    """What scores come to that something else has given all queries of `tasks`."""
    return _outcome(tasks, [_answers(tasks, scores, n_classes, UNCALIBRATED)], n_images)


@dataclass(frozen=True)
class _Answers:
    """What one method answered on e episodes."""

    right: NDArray[np.bool_]  # [e, m]
    confidence: NDArray[np.float32]  # [e, m]
    confusion: NDArray[np.int64]  # [C * C]


def _answers(part: Episodes, scores: Float[Tensor, "e m n"], n_classes: int, temperature: float) -> _Answers:
    classes = torch.from_numpy(part.classes).to(scores.device)
    truth = classes.repeat_interleave(part.query.shape[2], 1)
    place = scores.argmax(-1)  # ties go to the lower place, as in `accuracy`
    top = scores.gather(-1, place.unsqueeze(-1))
    confidence = 1 / ((scores - top) * temperature).exp().sum(-1)
    guess = classes.gather(1, place)
    pairs = torch.bincount((truth * n_classes + guess).view(-1), minlength=n_classes**2)
    return _Answers((guess == truth).cpu().numpy(), confidence.float().cpu().numpy(), pairs.cpu().numpy())


def _joined(parts: Sequence[_Answers]) -> _Answers:
    """Chunks of one method."""
    right, confidence = (np.concatenate([getattr(part, name) for part in parts]) for name in ("right", "confidence"))
    return _Answers(right, confidence, np.sum([part.confusion for part in parts], 0))


def _outcome(tasks: Episodes, methods: Sequence[_Answers], n_images: int) -> EpisodeScores:
    correct = np.stack([of.right for of in methods]).mean(0, dtype=np.float32)
    n_classes = int(np.sqrt(len(methods[0].confusion)))
    images = tasks.query.reshape(-1)
    confidence, right = (
        np.concatenate([getattr(of, name).ravel() for of in methods]) for name in ("confidence", "right")
    )
    return EpisodeScores(
        accuracy=correct.mean(1, dtype=np.float64),
        correct=correct,
        confusion=np.sum([of.confusion for of in methods], 0).reshape(n_classes, n_classes),
        image_correct=np.bincount(images, correct.ravel(), n_images).astype(np.float64),
        image_shown=np.bincount(images, minlength=n_images),
        reliability=reliability(confidence, right),
    )
