"""What FLIER's rows scored, as the numbers of a summary: over test pictures, or over frozen episodes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray

from syntrans.runs.file_names import ACCURACIES
from syntrans_training.episodes.frozen import episodes_name
from syntrans_training.episodes.sampler import write
from syntrans_training.evaluation.evaluate import CONFUSION
from syntrans_training.evaluation.summary import confusion_table, confusions, per_class_accuracy, write_accuracies
from syntrans_training.flier.episode_tasks import EpisodeTasks
from syntrans_training.flier.rows import FIXED, FLIER, GROUPS
from syntrans_training.scoring.metrics import image_interval, interval, paired
from syntrans_training.scoring.scorer import EpisodeScores, outcome_of

Answers = dict[str, NDArray[np.int64]]
"""Row -> [seeds, m], classes of the m test pictures."""
RowScores = Mapping[str, list[NDArray[np.float32]]]
"""Row -> its scores [tasks, m, C]; of FLIER's own, those of one branch alone after them."""


def measured_pictures(
    scores: Mapping[int, RowScores],
    truth: Int[np.ndarray, " m"],
    classes: Sequence[str],
    out: Path,
) -> dict[str, Any]:
    """What the summary has by shots; which class was taken for which is a file in `out`."""
    answers = {shots: _answers(rows) for shots, rows in scores.items()}
    pairs = {shots: _confusions_of(rows, truth, len(classes)) for shots, rows in answers.items()}
    confusion_table(out / CONFUSION, pairs, classes)
    return {
        "groups": GROUPS,
        "results": {str(shots): _results(rows, truth) for shots, rows in answers.items()},
        "contrasts": {str(shots): _contrasts(rows, truth) for shots, rows in answers.items()},
        "per_class": {str(shots): per_class_accuracy(counts, classes) for shots, counts in pairs.items()},
    }


def _answers(scores: RowScores) -> Answers:
    """Which class each test picture was taken for."""
    return {row: one.argmax(-1) for row, one in _of_rows(scores).items()}


def _of_rows(scores: RowScores) -> dict[str, NDArray[np.float32]]:
    """The scores of every line of the table."""
    rows = {row: of_row[0] for row, of_row in scores.items()}
    return rows | dict(zip(FIXED, scores[FLIER][1:], strict=True))


def _confusions_of(answers: Answers, truth: NDArray[np.int64], n_classes: int) -> dict[str, NDArray[np.int64]]:
    """Row -> how often pictures of a class (first axis) were taken for another one, over all seeds."""
    counts = {row: np.zeros((n_classes, n_classes), np.int64) for row in answers}
    for row, of_row in answers.items():
        np.add.at(counts[row], (np.broadcast_to(truth, of_row.shape), of_row), 1)
    return counts


def _results(answers: Answers, truth: NDArray[np.int64]) -> dict[str, dict[str, Any]]:
    """Mean over seeds, its 95 % interval over test pictures, and the accuracy of every seed, in percent."""
    right = {row: of_row == truth for row, of_row in answers.items()}
    return {
        row: {**interval(of_row.mean(0)).percent(), "seeds": [round(100 * float(x), 2) for x in of_row.mean(1)]}
        for row, of_row in right.items()
    }


def _contrasts(answers: Answers, truth: NDArray[np.int64]) -> dict[str, dict[str, Any]]:
    """FLIER minus every other row, paired by test picture; a picture counts by its mean over seeds."""
    return _leads({row: (of_row == truth).mean(0) for row, of_row in answers.items()})


def _leads(values: Mapping[str, Float[np.ndarray, " n"]]) -> dict[str, dict[str, Any]]:
    """FLIER minus every other row, paired."""
    leads = {}
    for row, of_row in values.items():
        if row != FLIER:
            difference = paired(values[FLIER], of_row)
            leads[f"{FLIER} - {row}"] = {**difference.percent(), "verdict": difference.verdict}
    return leads


def measured_episodes(scores: Mapping[int, RowScores], tasks: EpisodeTasks, out: Path) -> dict[str, Any]:
    """What the summary has by shots, by the machinery of other evaluations; their three tables go to `out`."""
    outcomes = {shots: _outcomes(rows, tasks, shots) for shots, rows in scores.items()}
    for shots, part in tasks.episodes.items():
        write(part.whole, out / episodes_name(shots))
    numbers = {shots: part.numbers for shots, part in tasks.episodes.items()}
    write_accuracies(out / ACCURACIES, numbers, outcomes)
    pairs = confusions(outcomes)
    confusion_table(out / CONFUSION, pairs, tasks.split.classes)
    accuracies = {shots: {row: one.accuracy for row, one in rows.items()} for shots, rows in outcomes.items()}
    return {
        "groups": {row: GROUPS[row] for rows in outcomes.values() for row in rows},
        "results": {str(shots): _episode_results(rows, tasks, shots) for shots, rows in outcomes.items()},
        "contrasts": {str(shots): _leads(rows) for shots, rows in accuracies.items()},
        "per_class": {str(shots): per_class_accuracy(counts, tasks.split.classes) for shots, counts in pairs.items()},
    }


def _outcomes(scores: RowScores, tasks: EpisodeTasks, shots: int) -> dict[str, EpisodeScores]:
    episodes, sizes = tasks.episodes[shots].episodes, (len(tasks.split.classes), len(tasks.split))
    return {
        row: outcome_of(episodes, torch.from_numpy(one), n_classes=sizes[0], n_images=sizes[1])
        for row, one in _of_rows(scores).items()
    }


def _episode_results(
    outcomes: Mapping[str, EpisodeScores], tasks: EpisodeTasks, shots: int
) -> dict[str, dict[str, float]]:
    """Both intervals, over other episodes of these pictures and over other pictures."""
    episodes = tasks.episodes[shots].episodes
    return {
        row: {
            **interval(one.accuracy).percent(),
            "image_half_width": image_interval(one.correct, episodes).percent()["half_width"],
        }
        for row, one in outcomes.items()
    }
