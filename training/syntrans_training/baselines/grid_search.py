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

from syntrans_training.data.novel_split_guard import selecting
from syntrans_training.episodes.class_index import query_labels
from syntrans_training.episodes.sampler import Episodes
from syntrans_training.methods import Method
from syntrans_training.scoring.feature_gather import FeatureGather
from syntrans_training.scoring.scored_classifier import ScoredClassifier
from syntrans_training.scoring.scorer import score_episodes

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
        found = [
            float(o.accuracy.mean()) for o in score_episodes(rows, tasks, n_classes=n_classes, chunk=chunk).values()
        ]
    best = max(range(len(found)), key=found.__getitem__)
    trials = [{**s, "val": round(a, 6)} for s, a in zip(settings, found, strict=True)]
    return GridResult(settings[best], found[best], trials)


def calibrate(row: ScoredClassifier, tasks: Episodes, *, chunk: int = 500) -> float:
    """The temperature t whose softmax(t * scores) has the lowest cross-entropy on the val `tasks`.

    Guo et al., "On Calibration of Modern Neural Networks" (ICML 2017), over a grid; t multiplies where theirs divides.
    """
    losses = torch.zeros(len(TEMPERATURES), dtype=torch.float64)
    features = FeatureGather(row.features, row.support_views)
    with selecting(), torch.inference_mode():
        for part in tasks.chunks(chunk):
            _, ways, queries = part.query.shape
            truth = query_labels(ways, queries, device=row.features.device).expand(len(part), -1)
            for scores in features.scores(part, row.methods):
                own = scores.gather(-1, truth.unsqueeze(-1)).squeeze(-1)
                for i, t in enumerate(TEMPERATURES):
                    losses[i] += ((t * scores).logsumexp(-1) - t * own).double().sum().cpu()
    return TEMPERATURES[int(losses.argmin())]
