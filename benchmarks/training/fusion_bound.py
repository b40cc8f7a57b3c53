"""How little any rule that sees the supports alone must lose where it doubts a task's texts: a bound at 1-shot.

python benchmarks/training/fusion_bound.py RUN [--away PICTURES DESCRIPTORS] [--episodes N] [--quick]

Tasks of the run's val classes, or of PICTURES (no novel classes of anybody), half of them with right texts and half
with shuffled ones. A rule says of every task how probably its texts are wrong; classes are then the mean of those by
right texts, of the exactness and slope that are best in this place, and those by pictures alone (text/task_alpha.py).
Printed: what is lost with right texts, against the best that does not look at the task, where shuffled ones are to lose
no more than 0.5, 1 and 1.5 points against visual only: told which is which; by the slope alone; and by a network that
is trained on statistics of other tasks of this very place and of the same classes, which no rule that ships can be.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import permutations, product
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.quick import add_quick
from benchmarks.training.fusion_prior import DRAWS, Kind, kinds
from syntrans_training.evaluation.evaluated_split import open_evaluated_split
from syntrans_training.evaluation.novel_pictures import novel_pictures
from syntrans_training.evaluation.trained_run import read_run
from syntrans_training.methods.base import LinearClassifiers, accuracy
from syntrans_training.modules.fusion import TaskFusion
from syntrans_training.text.task_alpha import DOMAINS, HOME, SLOPES, STEPS

WRONG = torch.tensor([0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1])  # probabilities tried
# of right texts: whether as on val, exactness (33), slope
RIGHT = ((True, 1.0, 1.0), *product((False,), (1.0, 1.25, 1.6), (1.0, 0.7)))
SHARPNESS, ODDS = (0.5, 1.0, 2.0, 4.0), torch.linspace(-4, 4, 33)
ALLOWED = (0.5, 1.0, 1.5)  # points below visual only, with shuffled texts


@dataclass(frozen=True)
class Draw:
    """Tasks of one draw, with right or with wrong texts: accuracies [right, E, probability], statistics [E, s]."""

    right: bool
    best: float
    accuracies: Tensor
    statistics: Tensor


def measure(kind: Kind) -> Draw:
    """What every rule would reach, and what it may look at."""
    support, classes = kind.support, kind.classes
    visual, semantic = support.mean(2), kind.of_val.semantic[classes]
    accuracies = []
    for own, exact, slope in RIGHT:
        cosine = HOME.cosine if own else DOMAINS.cosine
        worth = replace(kind.worth, domains=replace(DOMAINS, exact=exact, own=own, cosine=cosine))
        true = F.one_hot((SLOPES.exp() - slope).abs().argmin(), len(SLOPES)).float()
        none = F.one_hot(torch.tensor(len(STEPS) // 2), len(STEPS)).float()
        shares = torch.cat([(1 - WRONG).unsqueeze(1) * true, WRONG.unsqueeze(1) * none], 1)
        nowhere = torch.zeros(len(classes), 1, visual.shape[-1])
        mixed = [worth.average(kind.of_val.alpha, 1, share.expand(len(classes), -1), nowhere) for share in shares]
        accuracies.append(torch.stack([_reached(kind, one) for one in mixed], 1))
    return Draw(
        not kind.name.endswith(", shuffled"),
        kind.best,
        100 * torch.stack(accuracies),
        statistics(visual, semantic, kind),
    )


def _reached(kind: Kind, judged: TaskFusion) -> Tensor:
    head, support = kind.of_val.head, kind.support
    weights = head.both_weights(support.mean(2), kind.of_val.semantic[kind.classes], kind.of_val.space, shots=1)
    fused = LinearClassifiers(*head.classify(weights, shots=1, alpha=kind.of_val.alpha, of_task=judged))
    return accuracy(fused.scores(kind.query))


def statistics(visual: Tensor, semantic: Tensor, kind: Kind) -> Tensor:
    """[E, s], the first of them the slope in its own deviations, none of which knows which classes a task has."""
    spread, precision = kind.worth.spread, kind.worth.precision
    units = (torch.ones_like(precision), spread.between + spread.within, 1 / precision)
    parts = [_of_products(visual / unit.sqrt(), semantic / unit.sqrt()) for unit in units]
    groups = torch.tensor_split(precision.argsort(), [4, 8, 16, 32, 64])
    parts += [_of_products(visual[..., ranks], semantic[..., ranks])[:, :3] for ranks in groups]
    scaled = visual / units[1].sqrt()
    apart = scaled - scaled.mean(1, keepdim=True)
    lengths = [scaled.square().mean((1, 2)), apart.square().mean((1, 2)), scaled.mean(1).square().mean(1)]
    return torch.cat([*parts, torch.stack(lengths, 1)], 1)


def _of_products(pictures: Tensor, texts: Tensor) -> Tensor:
    """Of products of every picture with every text: their own beside the others', and beside other assignments."""
    products, own = pictures @ texts.mT, texts @ texts.mT
    diagonal, n = products.diagonal(dim1=1, dim2=2), products.shape[1]
    others = ((products.square().sum((1, 2)) - diagonal.square().sum(1)) / (n * (n - 1))).sqrt().clamp(min=1e-9)
    length = own.diagonal(dim1=1, dim2=2).mean(1).clamp(min=1e-9)
    centred = products - products.mean(1, keepdim=True) - products.mean(2, keepdim=True)
    centred = (centred + products.mean((1, 2), keepdim=True)) / others.view(-1, 1, 1)
    orders = torch.tensor(list(permutations(range(n))))
    assigned = centred[:, torch.arange(n), orders].sum(2)
    parts = [diagonal.mean(1) / others, diagonal.mean(1) / length, others / length]
    parts += [assigned[:, 0] / t - (assigned / t).logsumexp(1) for t in (0.5, 1.0, 2.0)]
    parts += [(assigned[:, 1:] > assigned[:, :1]).float().mean(1)]
    parts += [(centred / t).log_softmax(d).diagonal(dim1=1, dim2=2).mean(1) for t in (0.5, 1.5) for d in (1, 2)]
    return torch.cat([torch.stack(parts, 1), (diagonal / others.unsqueeze(1)).sort(1)[0]], 1)


def odds(draws: list[Draw], columns: slice) -> list[Tensor]:
    """Of every draw, its log odds that the texts are right, by a network trained on the other draws."""
    everything = torch.cat([one.statistics[:, columns] for one in draws])
    mean, deviation = everything.mean(0), everything.std(0).clamp(min=1e-6)
    inputs = [((one.statistics[:, columns] - mean) / deviation).clamp(-5, 5) for one in draws]
    log_odds: list[Tensor] = [torch.empty(0)] * len(draws)
    for left_out in range(len(draws) // 2):
        out = [i for i in range(len(draws)) if i % (len(draws) // 2) == left_out]
        kept = [i for i in range(len(draws)) if i not in out]
        truth = torch.cat([torch.full((len(inputs[i]),), float(draws[i].right)) for i in kept])
        network = _trained(torch.cat([inputs[i] for i in kept]), truth)
        for i in out:
            log_odds[i] = network(inputs[i]).squeeze(1).detach()
    return log_odds


def _trained(inputs: Tensor, truth: Tensor) -> nn.Module:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(inputs.shape[1], 32), nn.GELU(), nn.Dropout(0.3), nn.Linear(32, 1))
    optimizer = torch.optim.AdamW(network.parameters(), 3e-3, weight_decay=0.03)
    for _ in range(60):
        for some in torch.split(torch.randperm(len(inputs)), 128):
            loss = F.binary_cross_entropy_with_logits(network(inputs[some]).squeeze(1), truth[some])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return network.eval()


def reached(draws: list[Draw], odds_of: list[Tensor]) -> Iterator[tuple[float, float]]:
    """Points above the best with right texts, and above visual only with wrong ones, by every use of the odds."""
    for right, sharpness, prior in product(range(len(RIGHT)), SHARPNESS, ODDS.tolist()):
        points: dict[bool, list[float]] = {True: [], False: []}
        for one, log_odds in zip(draws, odds_of, strict=True):
            wrong = torch.sigmoid(prior - sharpness * log_odds)
            points[one.right].append(float(_between(one.accuracies[right], wrong).mean()) - one.best)
        yield sum(points[True]) / len(points[True]), sum(points[False]) / len(points[False])


def _between(accuracies: Tensor, wrong: Tensor) -> Tensor:
    """Accuracy at a probability that lies between two that were tried."""
    above = torch.searchsorted(WRONG, wrong.clamp(0, 1)).clamp(min=1)
    share = (wrong - WRONG[above - 1]) / (WRONG[above] - WRONG[above - 1])
    low, high = (accuracies.gather(1, i.unsqueeze(1)).squeeze(1) for i in (above - 1, above))
    return low + share * (high - low)


def main() -> int:
    """Print the bounds; 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--away", nargs=2, metavar=("PICTURES", "DESCRIPTORS"))
    parser.add_argument("--episodes", type=int, default=1000)
    add_quick(parser)
    given = parser.parse_args()
    size = (2 * DRAWS, 4) if given.quick else (given.episodes, 15)
    run = read_run(given.run)
    if given.away:
        data = novel_pictures(run.pictures, given.away[0])
        split = open_evaluated_split(run, descriptors=Path(given.away[1]), views=False, data=data)
    else:
        split = open_evaluated_split(run, split="val", views=False)
    place = "away" if given.away else "home"
    with torch.no_grad():
        every = [kind for kind in kinds(run, place, split, *size) if kind.name.startswith(f"{given.run.name}, 1-shot")]
        draws = [measure(kind) for kind in every if kind.name.endswith((place, ", shuffled"))]
    draws = sorted(draws, key=lambda one: one.right)  # of both kinds in the order of draws
    told = [torch.full((len(one.statistics),), 1e3 if one.right else -1e3) for one in draws]
    rules = {"told": told, "slope": odds(draws, slice(1)), "all statistics": odds(draws, slice(None))}
    for name, odds_of in rules.items():
        points = list(reached(draws, odds_of))
        best = [
            max((right for right, wrong in points if wrong >= -allowed), default=float("nan")) for allowed in ALLOWED
        ]
        print(f"{place}  {name:<16}" + "".join(f"{value:+8.2f}" for value in best), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
