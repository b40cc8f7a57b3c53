"""Scoring: every row of a table on every episode, chunk by chunk, and what is kept of it.

Rows that look at the same features share their supports and, where they are linear, the product with the queries
(feature_gather.py).
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from threading import local

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from syntrans.progress import track
from syntrans_training.episodes.sampler import Episodes
from syntrans_training.scoring.feature_gather import FeatureGather
from syntrans_training.scoring.metrics import ece, reliability
from syntrans_training.scoring.scored_classifier import ScoredClassifier


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

    The memory for features and scores grows with `chunk`, not with the number of episodes; what stays is about 10 bytes
    per row and query. Runs where the rows' features are.
    """
    mine = local()

    def answer(part: Episodes) -> dict[str, _Answers]:
        if not hasattr(mine, "groups"):
            mine.groups = _feature_groups(rows)
        answers: dict[str, _Answers] = {}
        with torch.inference_mode():
            for features, names in mine.groups:
                scores = features.scores(part, [method for name in names for method in rows[name].methods])
                for name in names:
                    of_row = [next(scores) for _ in rows[name].methods]
                    answers[name] = _answers(part, of_row, n_classes, rows[name].temperature)
        return answers

    parts: list[dict[str, _Answers]] = []
    on_gpu = any(row.features.is_cuda for row in rows.values())
    with (
        track(f"{tasks.support.shape[2]}-shot episodes", len(tasks), "episodes") as progress,
        _workers(1 if on_gpu else torch.get_num_threads()) as (pool, workers),
    ):
        for answers in pool.map(answer, tasks.chunks(max(1, chunk // workers))):
            parts.append(answers)
            progress.advance(len(next(iter(answers.values())).correct))
    return {name: _outcome(tasks, [part[name] for part in parts], len(row.features)) for name, row in rows.items()}


@contextmanager
def _workers(count: int) -> Iterator[tuple[ThreadPoolExecutor, int]]:
    """A pool of threads that each work on chunks of their own, without torch's threads within an operation.

    The operations here are small: dividing each between threads costs as much as it saves, and where other programs
    want the same cores, the threads wait for each other at every one of them.
    """
    before = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield pool, count
    finally:
        torch.set_num_threads(before)


def _feature_groups(rows: Mapping[str, ScoredClassifier]) -> list[tuple[FeatureGather, list[str]]]:
    """The rows in groups that look at the same tensors."""
    groups: dict[tuple[int, int], list[str]] = {}
    for name, row in rows.items():
        groups.setdefault((id(row.features), id(row.support_views)), []).append(name)
    return [(FeatureGather(rows[names[0]].features, rows[names[0]].support_views), names) for names in groups.values()]


@dataclass(frozen=True)
class _Answers:
    """What one row answered on a chunk of e episodes; `confidence` and `right` hold every method's queries."""

    correct: NDArray[np.float32]  # [e, m]
    confidence: NDArray[np.float32]
    right: NDArray[np.bool_]
    confusion: NDArray[np.int64]  # [C * C]


def _answers(part: Episodes, scores: Sequence[Float[Tensor, "e m n"]], n_classes: int, temperature: float) -> _Answers:
    stacked = torch.stack(list(scores))  # [methods, e, m, n]
    classes = torch.from_numpy(part.classes).to(stacked.device)
    truth = classes.repeat_interleave(part.query.shape[2], 1)
    place = stacked.argmax(-1)  # ties go to the lower place, as in `accuracy`
    top = stacked.gather(-1, place.unsqueeze(-1))
    confidence = 1 / ((stacked - top) * temperature).exp().sum(-1)
    guess = classes.expand(len(stacked), -1, -1).gather(2, place)
    right = guess == truth
    pairs = torch.bincount((truth * n_classes + guess).view(-1), minlength=n_classes**2)
    return _Answers(
        correct=right.float().mean(0).cpu().numpy(),
        confidence=confidence.float().view(-1).cpu().numpy(),
        right=right.view(-1).cpu().numpy(),
        confusion=pairs.cpu().numpy(),
    )


def _outcome(tasks: Episodes, parts: Sequence[_Answers], n_images: int) -> EpisodeScores:
    correct = np.concatenate([part.correct for part in parts])
    n_classes = int(np.sqrt(len(parts[0].confusion)))
    images = tasks.query.reshape(-1)
    return EpisodeScores(
        accuracy=correct.mean(1, dtype=np.float64),
        correct=correct,
        confusion=np.sum([part.confusion for part in parts], 0).reshape(n_classes, n_classes),
        image_correct=np.bincount(images, correct.ravel(), n_images).astype(np.float64),
        image_shown=np.bincount(images, minlength=n_images),
        reliability=reliability(
            np.concatenate([part.confidence for part in parts]), np.concatenate([part.right for part in parts])
        ),
    )
