"""Choosing hyper-parameters: every setting of a grid on the same val episodes, the best accuracy wins.

The novel split is closed while it runs (novel_split_guard.py). All settings are scored in one pass, so
linear methods share the gathering of queries.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from syntrans.progress import track
from syntrans_training.data.novel_split_guard import selecting
from syntrans_training.engine.devices import no_denormals
from syntrans_training.episodes.class_index import query_labels
from syntrans_training.episodes.sampler import Episodes
from syntrans_training.methods import Method
from syntrans_training.scoring.scored_classifier import ScoredClassifier
from syntrans_training.scoring.scorer import score_episodes
from syntrans_training.scoring.view import views_of

TEMPERATURES = tuple(float(t) for t in torch.logspace(-1, 3, 33))


@dataclass(frozen=True)
class GridResult:
    """What val chose, its accuracy there in [0, 1], and every setting that was tried with its own."""

    setting: dict[str, Any]
    accuracy: float
    trials: list[dict[str, Any]]


def grid_search(
    build: Callable[..., Method],
    grid: Mapping[str, Sequence[Any]],
    val: Float[Tensor, "n d"],
    tasks: Episodes,
    *,
    n_classes: int,
    support_views: Float[Tensor, "n v d"] | None = None,
    chunk: int = 500,
) -> GridResult:
    """Try `build(**setting)` for every setting of the grid on val features; of equal ones the first wins."""
    settings = [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]
    with selecting():
        rows = {
            str(i): ScoredClassifier((build(**s),), val, support_views=support_views) for i, s in enumerate(settings)
        }
        accuracies = [
            float(o.accuracy.mean()) for o in score_episodes(rows, tasks, n_classes=n_classes, chunk=chunk).values()
        ]
    best = max(range(len(accuracies)), key=accuracies.__getitem__)
    trials = [{**s, "val": round(a, 6)} for s, a in zip(settings, accuracies, strict=True)]
    return GridResult(settings[best], accuracies[best], trials)


def calibrate(rows: Mapping[str, ScoredClassifier], tasks: Episodes, *, chunk: int = 500) -> dict[str, float]:
    """For every row the temperature t whose softmax(t * scores) has the lowest cross-entropy on the val `tasks`.

    Guo et al., "On Calibration of Modern Neural Networks" (ICML 2017), over a grid; t multiplies where theirs divides.
    """
    losses = {name: torch.zeros(len(TEMPERATURES), dtype=torch.float64) for name in rows}
    views = views_of(rows)
    total = len(tasks) * sum(len(view.methods) for view in views)
    with selecting(), track(f"calibrate {tasks.support.shape[2]}-shot", total, "classifiers") as progress:
        for view in views:
            for episodes, of_chunk in view.each(tasks, chunk, _entropies):
                for name, entropies in zip(view.rows, of_chunk, strict=True):
                    losses[name] += entropies
                progress.advance(episodes * len(of_chunk))
    return {name: TEMPERATURES[int(entropies.argmin())] for name, entropies in losses.items()}


def _entropies(part: Episodes, _: str, scores: Float[Tensor, "e m n"]) -> Float[Tensor, " t"]:
    """The sum of the cross-entropies of all queries, at every temperature."""
    _, ways, queries = part.query.shape
    own = query_labels(ways, queries, device=scores.device).expand(len(part), -1).unsqueeze(-1)
    behind = scores - scores.gather(-1, own)
    most = behind.amax(-1, keepdim=True)
    below, over = behind - most, most.double().sum()
    with no_denormals():
        sums = [(t * below).exp().sum(-1).log().double().sum() + t * over for t in TEMPERATURES]
    return torch.stack(sums).cpu()
