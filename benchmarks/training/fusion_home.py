"""What it costs at home to judge every task's texts, and what wrong texts cost then: novel classes of the run itself.

python benchmarks/training/fusion_home.py RUN [--episodes N] [--quick]

RUN is a folder of `syntrans train`. By its first head, for every number of shots: the inductive level minus alpha of
val with the classes' own texts, and minus visual only with those of other classes (five orders, the mean), in percent
with 95 % intervals paired over episodes. Both by the prior that all runs share (`HOME`) and by the odds that the run
has learned on val (docs/method.md (32a)).
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch

from benchmarks.quick import add_quick
from syntrans_training.episodes.sampler import EpisodeSpec, draw
from syntrans_training.evaluation.evaluated_split import EvaluatedSplit, open_evaluated_split
from syntrans_training.evaluation.table_rows import Level, bridge_method
from syntrans_training.evaluation.trained_run import read_run
from syntrans_training.methods import Prototype
from syntrans_training.scoring.metrics import paired
from syntrans_training.scoring.scored_classifier import ScoredClassifier
from syntrans_training.scoring.scorer import EpisodeScores, score_episodes
from syntrans_training.text.class_vectors import derangement
from syntrans_training.text.task_alpha import HOME, DomainPrior

ORDERS = 5  # of the texts of other classes


def rows_of(split: EvaluatedSplit, shots: int) -> dict[str, ScoredClassifier]:
    """Visual only, alpha of val, and the inductive level by both priors with right texts and with wrong ones."""
    features, bridges = split.features, split.run.bridges
    key = (features.main, shots)
    head, spread, choice = bridges.heads[key][0], bridges.spreads[key][0], bridges.choices[key]
    text = features.vectors(features.main, choice["name_share"], 0)
    orders = [torch.from_numpy(derangement(len(text), seed)) for seed in range(ORDERS)]

    def row(level: Level, prior: DomainPrior, texts: list[torch.Tensor]) -> ScoredClassifier:
        methods = (
            bridge_method(head, of_classes, choice["alpha"], spread, level, domains=prior) for of_classes in texts
        )
        return ScoredClassifier(tuple(methods), features.shared)

    rows = {
        "visual only": ScoredClassifier((Prototype(),), features.standard),
        "alpha of val": row("val", HOME, [text]),
    }
    for name, prior in {"one prior": HOME, "learned": bridges.own_pictures(*key)}.items():
        rows[name] = row("inductive", prior, [text])
        rows[f"{name}, shuffled"] = row("inductive", prior, [text[order] for order in orders])
    return rows


def difference(one: EpisodeScores, other: EpisodeScores) -> str:
    """The paired difference of two rows, in percent."""
    points = paired(one.accuracy, other.accuracy).percent()
    return f"{points['mean']:+.2f} ± {points['half_width']:.2f}"


def main() -> int:
    """Print a line for each number of shots and prior; 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--episodes", type=int, default=2000)
    add_quick(parser)
    given = parser.parse_args()
    run = read_run(given.run)
    split = open_evaluated_split(run, views=False)
    classes, labels = split.split.classes, split.split.labels
    episodes, queries = (4, 4) if given.quick else (given.episodes, run.tasks.queries)
    for shots in run.tasks.shots:
        spec = EpisodeSpec(run.tasks.ways, shots, queries, episodes, run.tasks.seed)
        tasks = draw(spec, labels, names=classes, barred=np.zeros(len(labels), bool))
        scored = score_episodes(rows_of(split, shots), tasks, n_classes=len(classes), chunk=200)
        for name in ("one prior", "learned"):
            right = difference(scored[name], scored["alpha of val"])
            wrong = difference(scored[f"{name}, shuffled"], scored["visual only"])
            print(f"{shots}-shot  {name:<10} right {right}  shuffled {wrong}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
