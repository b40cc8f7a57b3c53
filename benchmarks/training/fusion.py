"""What each level of the text's weight is worth in domains beside the one that a bridge was trained on.

python benchmarks/training/fusion.py RUN [--away PICTURES DESCRIPTORS] [--episodes N] [--plot FILE.png] [--quick]

RUN is a folder of `syntrans train`; everything is measured on its val classes, and on all classes of PICTURES, which
must be no novel classes of anybody: on such the prior is learned (fusion_prior.py). Kinds of domain: as it is; pictures
that scatter twice as much; half or all texts those of other classes. Printed: how the domain differs from val (u and n,
mean logs of the variance between and within classes over val's; b, docs/method.md (30)), accuracy of visual only, of
alpha of val, of the three levels and of the best single alpha, and the mean slope of a task and the alpha whose text
weighs as much on average. --plot draws accuracy over alpha with the levels marked, each at that alpha.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.quick import add_quick
from syntrans.progress import say
from syntrans_training.bridge.alpha_curve import alpha_curve
from syntrans_training.episodes.sampler import Episodes, EpisodeSpec, draw
from syntrans_training.evaluation.evaluated_split import EvaluatedSplit, open_evaluated_split
from syntrans_training.evaluation.novel_pictures import novel_pictures
from syntrans_training.evaluation.table_rows import Level, bridge_method
from syntrans_training.evaluation.trained_run import TrainedRun, read_run
from syntrans_training.methods import Prototype, SynTrans, TransductiveSynTrans
from syntrans_training.modules.whiten import class_means
from syntrans_training.scoring.scored_classifier import ScoredClassifier
from syntrans_training.scoring.scorer import score_episodes
from syntrans_training.text.class_vectors import derangement, half_deranged
from syntrans_training.text.task_alpha import DOMAINS, measure_spread

ALPHAS = tuple(i / 20 for i in range(21))
LEVELS: tuple[Level, ...] = ("val", "prior", "inductive", "transductive")


@dataclass(frozen=True)
class Domain:
    """phi of pictures, their labels, and class vectors of their classes, true or not; and what visual only looks at."""

    name: str
    pictures: Tensor
    labels: Tensor
    text: Tensor
    standard: Tensor | None


def domains(place: str, split: EvaluatedSplit, shots: int, seed: int = 0) -> list[Domain]:
    """The four kinds of domain that are made of a split; `seed`: of what is drawn."""
    features, labels = split.features, torch.from_numpy(split.split.labels)
    choice, n = split.run.bridges.choices[features.main, shots], len(split.split.classes)
    text, phi = features.vectors(features.main, choice["name_share"], 0), features.shared
    rest = phi - class_means(phi, labels)[labels]
    noisy = phi + rest[torch.randint(len(phi), (len(phi),), generator=torch.Generator().manual_seed(seed))]
    half, all_of_them = (torch.from_numpy(order(n, seed)) for order in (half_deranged, derangement))
    return [
        Domain(place, phi, labels, text, features.standard),
        Domain(f"{place}, noisier", noisy, labels, text, None),
        Domain(f"{place}, half shuffled", phi, labels, text[half], features.standard),
        Domain(f"{place}, shuffled", phi, labels, text[all_of_them], features.standard),
    ]


def difference(run: TrainedRun, main: str, shots: int, domain: Domain) -> tuple[float, float, float]:
    """u, b and n of a domain, by all of its pictures."""
    head, val = run.bridges.heads[main, shots][0], run.bridges.spreads[main, shots][0]
    memory = head.build_memory()
    with torch.no_grad():
        pictures, semantic = memory.project(domain.pictures), head.semantic_weights(domain.text, memory)
        own = measure_spread(pictures, domain.labels, semantic, memory.metric.precision)
    spread, noise = ((a / b).log().mean() for a, b in ((own.between, val.between), (own.within, val.within)))
    return float(spread), float(own.slope / val.slope), float(noise)


def measure(run: TrainedRun, main: str, shots: int, domain: Domain, tasks: Episodes) -> dict[str, float]:
    """Accuracies in percent by level and alpha, and the weight and slope of the text in those that look at tasks."""
    heads, spreads = run.bridges.heads[main, shots], run.bridges.spreads[main, shots]
    alpha = run.bridges.choices[main, shots]["alpha"]
    prior = run.bridges.own_pictures(main, shots) if domain.name.startswith("home") else DOMAINS
    rows: dict[str, ScoredClassifier] = {
        level: ScoredClassifier(
            tuple(
                bridge_method(h, domain.text, alpha, s, level, domains=prior)
                for h, s in zip(heads, spreads, strict=True)
            ),
            domain.pictures,
        )
        for level in LEVELS
    }
    if domain.standard is not None:
        rows["visual only"] = ScoredClassifier((Prototype(),), domain.standard)
    scored = score_episodes(rows, tasks, n_classes=len(domain.text), chunk=200)
    figures: dict[str, float] = {level: 100 * float(scored[level].accuracy.mean()) for level in rows}
    curve = torch.stack([alpha_curve(h, domain.pictures, domain.text, tasks, ALPHAS) for h in heads]).mean((0, 1))
    figures |= {f"at {a:g}": 100 * float(v) for a, v in zip(ALPHAS, curve, strict=True)}
    inductive, transductive = (rows[level].methods[0] for level in LEVELS[2:])
    assert isinstance(inductive, SynTrans)
    assert isinstance(transductive, TransductiveSynTrans)
    support, classes = domain.pictures[torch.from_numpy(tasks.support)], torch.from_numpy(tasks.classes)
    query = domain.pictures[torch.from_numpy(tasks.query).flatten(1)]
    space = inductive.space
    ends = {
        "inductive": inductive.judge(support, classes),
        "transductive": transductive.within.settle(space.project(support), space.project(query), classes)[1],
    }
    for level, judged in ends.items():
        assert judged is not None
        assert judged.precision is not None
        slope = torch.as_tensor(judged.slope)
        multiple = float((slope * judged.precision / space.metric.precision).mean())
        figures |= {f"α, {level}": equal_alpha(alpha, multiple), f"slope, {level}": float(slope.mean())}
    return figures


def equal_alpha(alpha: float, multiple: float) -> float:
    """The alpha at which b : a of docs/method.md (23) is `multiple` times that at `alpha`."""
    odds = min(1.0, 2 * alpha) / max(min(1.0, 2 - 2 * alpha), 1e-6) * multiple
    return 1 - 1 / (2 * odds) if odds >= 1 else odds / 2


def plot(panels: dict[str, dict[str, float]], path: Path) -> None:
    """A panel for every domain: accuracy over alpha, and where each level stands."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, len(panels), figsize=(4 * len(panels), 3.6), layout="constrained", squeeze=False)
    for place, (name, panel) in zip(axes[0], panels.items(), strict=True):
        curve = [panel[f"at {a:g}"] for a in ALPHAS]
        place.plot(ALPHAS, curve, color="#0072b2")
        place.plot(panel["alpha of val"], panel["val"], "o", color="#0072b2", label=f"α of val {panel['val']:.1f}")
        for level, mark, colour in (("inductive", "s", "#d55e00"), ("transductive", "^", "#009e73")):
            place.plot(panel[f"α, {level}"], panel[level], mark, color=colour, label=f"{level} {panel[level]:.1f}")
        place.set(title=name, xlabel="α  (0: pictures alone, 1: text alone)")
        place.legend(frameon=False, fontsize=8, loc="lower left")
    axes[0, 0].set_ylabel("accuracy (%)")
    figure.savefig(path, dpi=100)


def main() -> int:
    """Print the table; 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--away", nargs=2, metavar=("PICTURES", "DESCRIPTORS"))
    parser.add_argument("--episodes", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--plot", type=Path)
    add_quick(parser)
    given = parser.parse_args()
    queries, n_episodes = (4, 4) if given.quick else (15, given.episodes)
    run = read_run(given.run)
    places = {"home": open_evaluated_split(run, split="val", views=False)}
    if given.away:
        data, path = novel_pictures(run.pictures, given.away[0]), Path(given.away[1])
        places["away"] = open_evaluated_split(run, descriptors=path, views=False, data=data)
    panels = {}
    print(
        f"{'':<28}{'u':>6}{'b':>6}{'n':>6}{'visual only':>13}"
        + "".join(f"{level:>14}" for level in LEVELS)
        + f"{'best α':>16}{'like α':>8}{'slope':>7}"
    )
    for shots in run.tasks.shots:
        for place, split in places.items():
            for domain in domains(place, split, shots):
                spec = EpisodeSpec(5, shots, queries, n_episodes, given.seed)
                tasks = draw(
                    spec, domain.labels.numpy(), names=split.split.classes, barred=np.zeros(len(domain.labels), bool)
                )
                points = measure(run, split.features.main, shots, domain, tasks)
                points["alpha of val"] = run.bridges.choices[split.features.main, shots]["alpha"]
                best = max((points[f"at {a:g}"], a) for a in ALPHAS)
                u, b, n = difference(run, split.features.main, shots, domain)
                alone = f"{points['visual only']:13.2f}" if "visual only" in points else " " * 13
                numbers = alone + "".join(f"{points[level]:14.2f}" for level in LEVELS)
                tail = f"{best[0]:9.2f} at {best[1]:.2f}{points['α, inductive']:8.2f}{points['slope, inductive']:7.2f}"
                print(f"{shots}-shot {domain.name:<21}{u:6.2f}{b:6.2f}{n:6.2f}{numbers}{tail}", flush=True)
                if domain.name == place:
                    panels[f"{shots}-shot, {place}"] = points
    if given.plot:
        plot(panels, given.plot)
        say(f"wrote {given.plot}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
