"""Learn the prior of the fusion of a task (`DOMAINS` of text/task_alpha.py, or `HOME`) over kinds of domain.

python benchmarks/training/fusion_prior.py --home RUN ... --away RUN PICTURES DESCRIPTORS ... [--episodes N]
    [--changed NAME=VALUE ...] [--quick]

RUN is a folder of `syntrans train`; its val classes, and those of PICTURES, which must be no novel classes of anybody,
are four kinds of domain each (fusion.py), by every number of shots. A kind's loss is how far the inductive level stays
below what is best there without looking at the task: alpha of val or the 1/K rule with right texts, alpha of val with
noisier pictures, alpha of val or visual only with texts half shuffled, visual only with shuffled ones. Half a point is
allowed, and a whole one with shuffled texts. The mean square of what is lost beyond that is made smaller number by
number, each times 0.85 or 1.18, until none helps. Without --away the prior of a run's own pictures is learned so.
--changed learns nothing: it prints what every number of the prior is worth that is to be changed so, at one shot.
"""

import argparse
import sys
from collections.abc import Iterator
from copy import copy
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.quick import add_quick
from benchmarks.training.fusion import domains
from syntrans.progress import say
from syntrans_training.baselines.registry import BASELINES
from syntrans_training.episodes.sampler import Episodes, EpisodeSpec, draw
from syntrans_training.evaluation.evaluated_split import EvaluatedSplit, open_evaluated_split
from syntrans_training.evaluation.novel_pictures import novel_pictures
from syntrans_training.evaluation.trained_run import TrainedRun, read_run
from syntrans_training.methods import Prototype, SynTrans
from syntrans_training.methods.base import Method, accuracy
from syntrans_training.text.task_alpha import DOMAINS, HOME, DomainPrior, TextWorth

DRAWS = 5  # of what is drawn in a kind of domain; they share its episodes
FACTORS = (0.85, 1.18)
ALLOWED = 0.5  # points, and 1 with shuffled texts
LEAST = 0.99  # of the loss, that a step must reach


@dataclass(frozen=True)
class Kind:
    """One draw of a kind of domain: tasks of pictures in the shared space, and what is best there without a look."""

    name: str
    of_val: SynTrans
    worth: TextWorth
    support: Tensor
    query: Tensor
    classes: Tensor
    best: float

    def loss(self, prior: DomainPrior) -> float:
        """Points of the inductive level below the best."""
        level = copy(self.of_val)
        level.worth = replace(self.worth, domains=prior)
        return self.best - _points(level.within, self.support, self.query, self.classes)


def _points(method: Method, support: Tensor, query: Tensor, classes: Tensor) -> float:
    return 100 * float(accuracy(method.scores(support, query, classes)).mean())


def kinds(run: TrainedRun, place: str, split: EvaluatedSplit, episodes: int, queries: int) -> Iterator[Kind]:
    """Every draw of the four kinds of domain that are made of a split, by every number of shots."""
    main = split.features.main
    for shots in run.tasks.shots:
        head, spread = run.bridges.heads[main, shots][0], run.bridges.spreads[main, shots][0]
        alpha, memory, rule = run.bridges.choices[main, shots]["alpha"], head.build_memory(), BASELINES["fsktn"]
        others = (Prototype(), rule.build(split.features, shots, {})())
        for seed in range(DRAWS):
            for domain in domains(place, split, shots, seed):
                of_val = SynTrans(head, domain.text, alpha=alpha, memory=memory)
                worth = TextWorth(spread, memory.metric.precision)
                tasks = draw(
                    EpisodeSpec(5, shots, queries, max(episodes // DRAWS, 1), seed), domain.labels.numpy(),
                    names=split.split.classes, barred=np.zeros(len(domain.labels), bool),
                )  # fmt: skip
                support, query, classes = _shown(tasks, memory.project(domain.pictures))
                best = _points(of_val.within, support, query, classes)
                looks = others[1] if domain.name == place else others[0]
                if domain.standard is not None:
                    gained = _points(looks, *_shown(tasks, domain.standard))
                    best = gained if domain.name.endswith(", shuffled") else max(best, gained)
                name = f"{run.folder.name}, {shots}-shot {domain.name}"
                yield Kind(name, of_val, worth, support, query, classes, best)


def _shown(tasks: Episodes, pictures: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    query = pictures[torch.from_numpy(tasks.query).flatten(1)]
    return pictures[torch.from_numpy(tasks.support)], query, torch.from_numpy(tasks.classes)


def losses(every: list[Kind], prior: DomainPrior) -> dict[str, float]:
    """Of every kind of domain, the mean over its draws."""
    by_kind: dict[str, list[float]] = {}
    for kind in every:
        by_kind.setdefault(kind.name, []).append(kind.loss(prior))
    return {name: sum(values) / len(values) for name, values in by_kind.items()}


def total(every: list[Kind], prior: DomainPrior) -> float:
    """The mean square of what is lost in a kind of domain beyond what is allowed."""
    by_kind = losses(every, prior).items()
    beyond = [loss - ALLOWED * (2 if name.endswith(", shuffled") else 1) for name, loss in by_kind]
    return float(np.square(np.maximum(beyond, 0)).mean())


def at_one_shot(every: list[Kind], prior: DomainPrior) -> str:
    """Mean losses of the four kinds of domain."""
    kinds = ("", ", noisier", ", half shuffled", ", shuffled")
    by_kind = {name: loss for name, loss in losses(every, prior).items() if ", 1-shot " in name}
    means = (
        np.mean([v for name, v in by_kind.items() if name.endswith(("home" + kind, "away" + kind))]) for kind in kinds
    )
    return "".join(f"{mean:8.2f}" for mean in means)


def learn(every: list[Kind], prior: DomainPrior) -> DomainPrior:
    """The prior that is better than all that differ from it by one step of one number."""
    least, moved = total(every, prior), True
    while moved:
        moved = False
        for name, value in asdict(prior).items():
            if value is None or isinstance(value, bool):
                continue
            tried = [replace(prior, **{name: value * factor}) for factor in FACTORS]
            totals = [total(every, one) for one in tried]
            if min(totals) < LEAST * least:
                least, prior, moved = min(totals), tried[int(np.argmin(totals))], True
        say(f"{least:.4f}  {prior}")
    return prior


@torch.no_grad()
def main() -> int:
    """Print the prior and its losses; 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--home", type=Path, nargs="+", default=[], metavar="RUN")
    parser.add_argument("--away", nargs=3, action="append", default=[], metavar=("RUN", "PICTURES", "DESCRIPTORS"))
    parser.add_argument("--episodes", type=int, default=300)
    parser.add_argument("--changed", nargs="+", default=[], metavar="NAME=VALUE")
    add_quick(parser)
    given = parser.parse_args()
    size = (DRAWS, 4) if given.quick else (given.episodes, 15)
    every: list[Kind] = []
    for folder in given.home:
        run = read_run(folder)
        every += kinds(run, "home", open_evaluated_split(run, split="val", views=False), *size)
    for folder, pictures, descriptors in given.away:
        run = read_run(Path(folder))
        data = novel_pictures(run.pictures, pictures)
        every += kinds(
            run, "away", open_evaluated_split(run, descriptors=Path(descriptors), views=False, data=data), *size
        )
    prior = DOMAINS if given.away else HOME
    if given.changed:
        print(f"{'as it ships':<20}{at_one_shot(every, prior)}")
        for one in given.changed:
            name, _, value = one.partition("=")
            number: Any = float(value)
            print(f"{one:<20}{at_one_shot(every, replace(prior, **{name: number}))}")
        return 0
    prior = learn(every, prior)
    for name, loss in losses(every, prior).items():
        print(f"{name:<44}{loss:8.2f}")
    print(prior)
    return 0


if __name__ == "__main__":
    sys.exit(main())
