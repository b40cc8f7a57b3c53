"""How surely a task of the run's own pictures tells whether its texts are right: two numbers for every number of shots.

Learned on val's tasks, with the texts of their classes, with those of other classes, and with half of these
(docs/method.md (32a), (32b), text/task_alpha.py), once heads are trained and spreads measured, and kept in the note of
vsbird.safetensors. With right texts pictures are also shown that scatter as novel ones may: alpha is the best on val's
own, so there doubt is cheap.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from syntrans_training.bridge.alpha_curve import CHUNK, accuracies_of
from syntrans_training.bridge.initialisation import ClassVectorSource
from syntrans_training.bridge.trained_bridges import ODDS, TrainedBridges, read_bridges
from syntrans_training.encoder.features import Features
from syntrans_training.engine import checkpoint
from syntrans_training.episodes.sampler import Episodes
from syntrans_training.methods import Prototype
from syntrans_training.modules.whiten import class_means
from syntrans_training.scoring.scored_classifier import ScoredClassifier
from syntrans_training.scoring.scorer import score_episodes
from syntrans_training.text.class_vectors import derangement, half_deranged
from syntrans_training.text.task_alpha import HOME, Supports, TextOdds, TextWorth, log_odds

WRONG = torch.tensor([0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.97, 1])  # probabilities that accuracy is measured at
THRESHOLDS = [i / 20 for i in range(-12, 21)]
SHARPNESSES = [0.01 * 2 ** (i / 2) for i in range(18)]  # to 3.6; below 1 a slope varies more than val's variances say
DRAWS = 5  # orders of the shuffled texts, which take turns
MAY_LOSE = 0.01  # of accuracy, with texts of other classes: what lies beyond counts as much as what right texts lose
LITTLE = 0.05  # what lies before it


@dataclass(frozen=True)
class _Tasks:
    """Accuracies of E tasks at the probabilities of `WRONG`, and what their slopes are."""

    accuracies: Float[Tensor, "e p"]
    slope: Float[Tensor, " e"]
    variance: Float[Tensor, " e"]

    def by(self, threshold: Float[Tensor, "r 1"], sharpness: Float[Tensor, "r 1"]) -> list[float]:
        """Mean accuracy by each of R rules; between two probabilities a straight line."""
        # Rule by rule where a whole table would round its last bits otherwise.
        odds = log_odds(self.slope, self.variance, threshold=threshold, sharpness=sharpness)
        wrong = torch.stack([torch.sigmoid(of_rule) for of_rule in odds])
        above = torch.searchsorted(WRONG, wrong).clamp(min=1, max=len(WRONG) - 1)
        share = (wrong - WRONG[above - 1]) / (WRONG[above] - WRONG[above - 1])
        low, high = (self.accuracies.T.gather(0, i) for i in (above - 1, above))
        return [float(of_rule.mean()) for of_rule in low + share * (high - low)]


@torch.no_grad()
def learn_text_odds(
    path: Path,
    val: Features,
    texts: ClassVectorSource,
    tasks: Mapping[int, Episodes],
    variant: str,
    standard: Float[Tensor, "n d"],
) -> None:
    """Add to the heads of a variant in `path` what they lack; visual only looks at `standard` features of val."""
    bridges, (tensors, note) = read_bridges(path), checkpoint.load(path)
    missing = [shots for shots in tasks if (variant, shots) in bridges.spreads and (variant, shots) not in bridges.odds]
    if not missing:
        return
    text = texts.val(variant, bridges.choices[variant, missing[0]]["name_share"])
    others, half = (
        torch.stack([torch.from_numpy(order(len(text), seed)) for seed in range(DRAWS)])
        for order in (derangement, half_deranged if len(text) >= 4 else derangement)  # of three no half is left
    )
    pictures = bridges.phi(val.values)
    rest = pictures - class_means(pictures, val.labels)[val.labels]
    noisier = pictures + rest[torch.randint(len(rest), (len(rest),), generator=torch.Generator().manual_seed(0))]
    for shots in missing:
        of_task = torch.from_numpy(tasks[shots].classes)
        turn = torch.arange(len(of_task)) % DRAWS
        shuffled, half_shuffled = (orders[turn].gather(1, of_task) for orders in (others, half))
        shown = ((pictures, of_task), (noisier, of_task), (pictures, shuffled), (pictures, half_shuffled))
        right, noisy, *wrong = (_measure(bridges, x, text, tasks[shots], variant, named) for x, named in shown)
        alone = {"": ScoredClassifier((Prototype(),), standard)}
        visual = score_episodes(alone, tasks[shots], n_classes=len(text), chunk=500)[""].accuracy.mean()
        odds = _least_lost((right, noisy), *wrong, visual=float(visual))
        note.setdefault(ODDS, []).append({"variant": variant, "shots": shots, **asdict(odds)})
    checkpoint.save(path, tensors, note)


def _measure(
    bridges: TrainedBridges, pictures: Tensor, text: Tensor, tasks: Episodes, variant: str, named: Tensor
) -> _Tasks:
    """By the first head, of phi of pictures, with the texts of the classes `named` [E, N]."""
    shots = tasks.support.shape[2]
    head, alpha = bridges.heads[variant, shots][0], bridges.choices[variant, shots]["alpha"]
    memory = head.build_memory()
    worth = TextWorth(bridges.spreads[variant, shots][0], memory.metric.precision, HOME)
    projected, semantic = memory.project(pictures), head.semantic_weights(text, memory)
    parts = []
    for part, its_named in zip(tasks.chunks(CHUNK), torch.split(named, CHUNK), strict=True):
        shown = Supports(projected[torch.from_numpy(part.support)].mean(2), semantic[its_named], shots)
        weights = head.both_weights(shown.mean, shown.semantic, memory, shots=shots)
        doubted = [worth.doubted(alpha, shots, probability.expand(len(its_named))) for probability in WRONG]
        linear = [head.classify(weights, shots=shots, alpha=alpha, of_task=judged) for judged in doubted]
        query = projected[torch.from_numpy(part.query).flatten(1)]
        parts.append((accuracies_of(linear, query), *worth.slope(shown)))
    return _Tasks(*(torch.cat(column) for column in zip(*parts, strict=True)))


def _least_lost(right: tuple[_Tasks, ...], wrong: _Tasks, half_wrong: _Tasks, *, visual: float) -> TextOdds:
    """The best rule by docs/method.md (32b)."""
    of_val = sum(float(one.accuracies[:, 0].mean()) for one in right)
    rules = list(product(THRESHOLDS, SHARPNESSES))
    threshold, sharpness = torch.tensor(rules).T.unsqueeze(2)
    by_rule = zip(*(one.by(threshold, sharpness) for one in (*right, wrong, half_wrong)), strict=True)
    costs = []
    for *of_rights, by_wrong, by_half in by_rule:
        of_right = (of_val - sum(of_rights)) / len(right)
        of_wrong, of_half = visual - by_wrong, visual - by_half
        beyond = sum(max(lost - MAY_LOSE, 0) for lost in (of_wrong, of_half))
        costs.append(max(of_right, 0) + LITTLE * of_wrong + beyond)
    return TextOdds(*rules[costs.index(min(costs))])
