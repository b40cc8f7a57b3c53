"""Coverage and size of prediction sets on novel classes, with a threshold that val classes chose.

Usage: python benchmarks/predict/prediction_sets.py RUN [--level 0.95] [--out FILE]

RUN is a finished training. Split conformal prediction (Vovk et al., 2005; Angelopoulos and Bates, arXiv 2107.07511):
the score of an answer is 1 - p(class), with probabilities at the temperature of the run; the threshold is its quantile
over all queries of the val tasks, and a set holds every class whose score lies below. Val and novel tasks are of other
classes and share pictures between tasks, so the stated level is an aim here and no guarantee: the table says what came
of it.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from benchmarks.quick import EVALUATE, add_quick, target
from syntrans.config import load_config
from syntrans.paths import atomic_write_text
from syntrans.provenance import made_by
from syntrans_training.config import EvaluateConfig
from syntrans_training.episodes.class_index import query_labels
from syntrans_training.evaluation.evaluated_split import open_episodes, open_evaluated_split
from syntrans_training.evaluation.table_rows import build_rows
from syntrans_training.evaluation.trained_run import read_run
from syntrans_training.scoring.feature_gather import FeatureGather
from syntrans_training.scoring.metrics import interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from syntrans_training.episodes.sampler import Episodes
    from syntrans_training.evaluation.evaluated_split import EvaluatedSplit
    from syntrans_training.scoring.scored_classifier import ScoredClassifier

USUAL = Path(__file__).parents[1] / "results" / "prediction_sets.json"
ROWS = ("visual_only", "fused", "syntrans")
CHUNK = 200  # episodes in memory at once


@torch.inference_mode()
def probabilities(row: ScoredClassifier, temperature: float, tasks: Episodes) -> NDArray[np.float32]:
    """Mean probabilities of a row's methods [E, m, N]."""
    bank, parts = FeatureGather(row.features, row.support_views), []
    for part in tasks.chunks(CHUNK):
        scores = [(temperature * raw_scores).softmax(-1) for raw_scores in bank.scores(part, row.methods)]
        parts.append(torch.stack(scores).mean(0).float().cpu())
    return torch.cat(parts).numpy()


def threshold(chances: NDArray[np.float32], truth: NDArray[np.int64], level: float) -> float:
    """The conformal quantile of 1 - p(true class) over all queries."""
    scores = np.sort(1 - np.take_along_axis(chances, truth[None, :, None], 2).ravel())
    rank = int(np.ceil((len(scores) + 1) * level))
    return float(scores[rank - 1]) if rank <= len(scores) else 1.0


def of_split(subject: EvaluatedSplit, config: EvaluateConfig, shots: int) -> dict[str, NDArray[np.float32]]:
    """Row -> probabilities [E, m, N] on a split."""
    chosen, n_classes = subject.run.chosen, len(subject.split.classes)
    rows = build_rows(subject.features, {}, n_classes=n_classes, shots=shots, draws=1)
    tasks = open_episodes(subject, shots, **config.tasks).episodes
    return {name: probabilities(rows[name], chosen.temperature(name, shots), tasks) for name in ROWS if name in rows}


def measure(folder: Path, level: float, config: EvaluateConfig) -> list[dict[str, Any]]:
    """A line per number of shots and row."""
    run = read_run(folder)
    config = config.like(**run.tasks.shape)
    val, novel = (open_evaluated_split(run, split=s, device=config.device, views=False) for s in ("val", "novel"))
    truth = query_labels(config.episodes.ways, config.episodes.queries).numpy()
    lines = []
    for shots in config.episodes.shots:
        chosen_on, applied = of_split(val, config, shots), of_split(novel, config, shots)
        for name, chances in applied.items():
            limit = threshold(chosen_on[name], truth, level)
            inside = 1 - chances <= limit
            covered = np.take_along_axis(inside, truth[None, :, None], 2)[..., 0]
            lines.append(
                {
                    "shots": shots,
                    "row": name,
                    "level": level,
                    "coverage": interval(covered.mean(1)).percent(),
                    "mean_size": round(float(inside.sum(2).mean()), 3),
                    "accuracy": interval((chances.argmax(2) == truth).mean(1)).percent(),
                }
            )
    return lines


def main() -> None:
    """Measure, print a table, write the numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--level", type=float, default=0.95)
    parser.add_argument("--out", type=Path)
    add_quick(parser)
    given = parser.parse_args()
    config = load_config(EvaluateConfig, "evaluate", kind="training/configs", overrides=EVALUATE if given.quick else [])
    lines = measure(given.run, given.level, config)
    print(f"| shots | classifier | covered of {given.level:.0%} | mean size | accuracy |\n|---|---|---:|---:|---:|")
    for entry in lines:
        covered, right = (f"{entry[k]['mean']:.2f} ± {entry[k]['half_width']:.2f}" for k in ("coverage", "accuracy"))
        print(f"| {entry['shots']} | {entry['row']} | {covered} | {entry['mean_size']:.2f} | {right} |")
    path = target(given.out, USUAL, quick=given.quick)
    atomic_write_text(path, json.dumps({"lines": lines, "made_by": made_by()}, indent=2))


if __name__ == "__main__":
    main()
