"""Accuracy over the number of descriptors per class: what the second, the fifth, the tenth sentence still adds.

Usage: python benchmarks/training/descriptor_count.py RUN [--counts 1 2 5 10] [--draws 3] [--out FILE]

RUN is a finished training. For every count and draw each class keeps so many of its descriptors, drawn at random (a
class with fewer keeps all); heads and settings are those of the training, which had all. Same frozen novel episodes for
every line; differences are paired against all descriptors.
"""

from __future__ import annotations

import argparse
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from benchmarks.quick import EVALUATE, add_quick, target
from syntrans.config import load_config
from syntrans.paths import atomic_write_text
from syntrans.provenance import made_by
from syntrans_training.bridge.split_features import SplitFeatures
from syntrans_training.config import EvaluateConfig
from syntrans_training.evaluation.evaluated_split import open_episodes, open_evaluated_split
from syntrans_training.evaluation.table_rows import build_rows
from syntrans_training.evaluation.trained_run import read_run
from syntrans_training.scoring.metrics import interval, paired
from syntrans_training.scoring.scorer import score_episodes
from syntrans_training.text.class_texts import class_vectors, texts_of_variant
from syntrans_training.text.class_vectors import read_knowledge

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from syntrans_training.evaluation.evaluated_split import EvaluatedSplit
    from syntrans_training.text.class_texts import TextsOfVariant, Vectors

USUAL = Path(__file__).parents[1] / "results" / "descriptor_count.json"
ROW = "syntrans"


def subset(texts: TextsOfVariant, main: str, count: int, draw: int) -> Vectors:
    """The class vectors [C, s] of `count` random descriptors per class in place of the `main` variant's."""
    whole = class_vectors(texts)

    @cache
    def vectors(variant: str, share: float, number: int) -> torch.Tensor:
        if variant != main:
            return whole(variant, share, number)
        bank = texts(main, 0)
        order = np.random.default_rng([draw, 0]).random(bank.weights.shape)
        order[bank.weights <= 0] = 2.0  # places that hold no descriptor come last
        present = order.argsort(1).argsort(1) < count
        return torch.from_numpy(bank.vectors(share, present))

    return vectors


def accuracies(
    subject: EvaluatedSplit, vectors: Vectors, config: EvaluateConfig, shots: int
) -> dict[str, NDArray[np.float64]]:
    """Accuracy [E] of the trained bridge, and of the text alone, with these class vectors."""
    features = subject.features
    of_count = SplitFeatures(features.raw, features.ridge, vectors, bridges=features.bridges)
    rows = build_rows(of_count, {}, n_classes=len(subject.split.classes), shots=shots, draws=1)
    tasks = open_episodes(subject, shots, **config.tasks).episodes
    wanted = {name: rows[name] for name in (ROW, "semantic_only")}
    scored = score_episodes(wanted, tasks, n_classes=len(subject.split.classes), chunk=500)
    return {name: outcome.accuracy for name, outcome in scored.items()}


def measure(folder: Path, counts: list[int], draws: int, config: EvaluateConfig) -> list[dict[str, Any]]:
    """A line per number of shots and count, all descriptors last."""
    run = read_run(folder)
    config = config.like(**run.tasks.shape)
    subject = open_evaluated_split(run, device=config.device, views=False)
    classes, text = subject.split.classes, run.texts
    texts = texts_of_variant(read_knowledge(subject.descriptors, classes), classes, run.text_encoder(), **text.reading)
    main = subject.features.main
    lines = []
    for shots in config.episodes.shots:
        whole = accuracies(subject, class_vectors(texts), config, shots)
        for count in counts:
            drawn = [accuracies(subject, subset(texts, main, count, i), config, shots) for i in range(draws)]
            mean = {name: np.mean([one_draw[name] for one_draw in drawn], 0) for name in whole}
            lines.append(line(shots, str(count), mean, whole))
        lines.append(line(shots, "all", whole, whole))
    return lines


def line(
    shots: int, count: str, of_count: dict[str, NDArray[np.float64]], whole: dict[str, NDArray[np.float64]]
) -> dict[str, Any]:
    """Accuracy in percent, and the paired difference to all descriptors."""
    difference = None if count == "all" else paired(of_count[ROW], whole[ROW]).percent()
    return {
        "shots": shots,
        "descriptors": count,
        "accuracy": interval(of_count[ROW]).percent(),
        "minus all": difference,
        "text alone": interval(of_count["semantic_only"]).percent(),
    }


def as_text(value: dict[str, Any] | None, sign: str = "") -> str:
    """'70.29 ± 0.49'."""
    return "" if value is None else f"{value['mean']:{sign}.2f} ± {value['half_width']:.2f}"


def main() -> None:
    """Measure, print a table, write the numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--counts", type=int, nargs="+", default=[1, 2, 5, 10])
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--out", type=Path)
    add_quick(parser)
    given = parser.parse_args()
    config = load_config(EvaluateConfig, "evaluate", kind="training/configs", overrides=EVALUATE if given.quick else [])
    lines = measure(given.run, given.counts, given.draws, config)
    print("| shots | descriptors per class | SynTrans | minus all | text alone (ridge map) |\n|---|---|---:|---:|---:|")
    for entry in lines:
        cells = as_text(entry["accuracy"]), as_text(entry["minus all"], "+"), as_text(entry["text alone"])
        print(f"| {entry['shots']} | {entry['descriptors']} | {' | '.join(cells)} |")
    path = target(given.out, USUAL, quick=given.quick)
    atomic_write_text(path, json.dumps({"lines": lines, "made_by": made_by()}, indent=2))


if __name__ == "__main__":
    main()
