"""Training the bridge (VSBird): its initialisation, its heads and how they fuse text and pictures, all chosen on val.

1. The shared space, once for all kinds of text: power and shrinkage by the closed form, noise by one trained head each.
2. For every variant (text/class_vectors.py, and `none`: the same head without text): where its maps start.
3. For every variant, number of shots and seed: training on tasks of held-out base classes (episodic_loss.py); the
   weights of the best validation check are kept.
4. For every variant and number of shots: alpha, by the accuracy of all seeds.
vsbird.safetensors grows head by head, so an interrupted stage goes on after the last one that was finished.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from syntrans.progress import Tracker, track
from syntrans_training.bridge.head_training import HeadProblem, HeadTrainingConfig, TrainedHead, train_heads
from syntrans_training.bridge.held_out_metrics import held_out_metrics
from syntrans_training.bridge.initialisation import (
    ClassVectorSource,
    FeaturesOfPower,
    Grid,
    MapInit,
    RawFeatures,
    SpaceSettings,
    fit_metric,
    full_class_vectors,
    transform_features,
)
from syntrans_training.bridge.initialisation_search import InitialisationSearch
from syntrans_training.data.novel_split_guard import selecting
from syntrans_training.engine import checkpoint
from syntrans_training.episodes.sampler import Episodes
from syntrans_training.modules.shared_space import Metric, Phi
from syntrans_training.modules.vsbird import HeldOutClasses


def train_bridge(
    raw: RawFeatures,
    texts: ClassVectorSource,
    tasks: Mapping[int, Episodes],
    variants: Sequence[str],
    grid: Grid,
    config: HeadTrainingConfig,
    *,
    path: Path,
    identity: str,
) -> dict[str, Any]:
    """Choose and train what `path` does not hold yet; returns its note; `tasks` are of val."""
    tensors, note = checkpoint.load_or_begin(path, identity, {"starts": {}, "choices": [], "heads": []})
    note["parts"] = dict(config.parts)
    file = _HeadFile(path, tensors, note)
    seeds = range(config.seed, config.seed + (config.seeds if config.steps else 1))
    noises = len({space.noise for space in grid.spaces})
    for_space = noises * len(tasks) if noises > 1 and "space" not in note else 0
    n_heads = for_space + len(variants) * len(tasks) * len(seeds)
    features = cache(partial(transform_features, raw))
    search = InitialisationSearch(features, texts, tasks, grid, fusion=config.parts["fusion"])
    problems = _Problems(features, texts, tasks, config.ways)
    with selecting(), track("train bridge", n_heads, "heads", len(note["heads"])) as progress:
        if "space" not in note:
            candidates = search.best_per_noise(variants[0])
            note["space"] = asdict(_choose_space(candidates, problems, variants[0], grid, config, progress))
            file.save()
        space = SpaceSettings(**note["space"])
        file.keep_phi(features(space.power)[0])
        for variant in variants:
            start = file.start(variant, partial(search.start, variant, space))
            missing = [shots for shots in tasks if not file.has(variant, shots)]
            of_shots = problems.all(variant, space, start, missing, seed=config.seed)
            trained = train_heads(of_shots, seeds, config, grid.alphas, progress)
            for task, heads in zip(of_shots, trained, strict=True):
                file.add(task, seeds, heads, grid.alphas)
    return checkpoint.read_note(path)


class _Problems:
    """What heads are trained on; the metrics of the last few starts are kept, since some are asked for again."""

    def __init__(
        self, features: FeaturesOfPower, texts: ClassVectorSource, tasks: Mapping[int, Episodes], ways: int
    ) -> None:
        self.features, self.texts, self.tasks, self.ways = features, texts, tasks, ways
        self._metrics = lru_cache(4)(self._fit_metrics)

    def all(
        self, variant: str, space: SpaceSettings, start: MapInit, shots: Iterable[int], *, seed: int = 0
    ) -> list[HeadProblem]:
        """A problem for each number of shots."""
        whole, left_out = self._metrics(variant, replace(space, noise=1.0), start, seed)
        metric, features = whole.scaled(space.noise), self.features(space.power)[1]
        folds = [replace(one, metric=one.metric.scaled(space.noise)) for one in left_out]
        return [HeadProblem(features, metric, start, self.texts, variant, k, self.tasks[k], folds) for k in shots]

    def _fit_metrics(
        self, variant: str, space: SpaceSettings, start: MapInit, seed: int
    ) -> tuple[Metric, tuple[HeldOutClasses, ...]]:
        """Of all base classes, and without those that play novel ones."""
        features, text = self.features(space.power)[1], full_class_vectors(self.texts, variant, start.name_share)
        left_out = held_out_metrics(features, text, space, start, size=self.ways, seed=seed)
        return fit_metric(features, text, space, start), left_out


@dataclass
class _HeadFile:
    """The file of the stage, which grows: where maps start, then heads and the choice by (variant, shots)."""

    path: Path
    tensors: dict[str, Tensor]
    note: dict[str, Any]

    def save(self) -> None:
        checkpoint.save(self.path, self.tensors, self.note)

    def keep_phi(self, phi: Phi) -> None:
        """Keep what pictures are transformed by."""
        self.tensors["phi.mean"] = phi.mean
        if phi.basis is not None:
            self.tensors["phi.basis"] = phi.basis

    def start(self, variant: str, choose: Callable[[], MapInit]) -> MapInit:
        """Where the maps of a variant start, chosen if that is not noted yet."""
        if variant not in self.note["starts"]:
            self.note["starts"][variant] = asdict(choose())
        return MapInit(**self.note["starts"][variant])

    def has(self, variant: str, shots: int) -> bool:
        """Whether the heads of a variant and number of shots are there."""
        return any(choice["variant"] == variant and choice["shots"] == shots for choice in self.note["choices"])

    def add(
        self,
        task: HeadProblem,
        seeds: Iterable[int],
        trained: Sequence[TrainedHead],
        alphas: Sequence[float],
    ) -> None:
        """Keep trained heads, one for each seed, with their choice of alpha."""
        of_task = {"variant": task.variant, "shots": task.shots}
        for seed, one in zip(seeds, trained, strict=True):
            prefix = f"{task.variant}.{task.shots}.{seed}"
            self.tensors |= {f"{prefix}.{name}": tensor for name, tensor in one.head.state_dict().items()}
        self.note["choices"].append(_choose_alpha(task, [one.curve for one in trained], alphas))
        self.note["heads"] += [{**of_task, **one.log} for one in trained]
        self.save()


def _choose_space(
    candidates: Sequence[tuple[SpaceSettings, MapInit]],
    problems: _Problems,
    variant: str,
    grid: Grid,
    config: HeadTrainingConfig,
    progress: Tracker,
) -> SpaceSettings:
    """Of the candidates the one whose first head is best on val after its training, at any alpha."""
    if len(candidates) == 1:
        return candidates[0][0]
    tasks = [task for space, start in candidates for task in problems.all(variant, space, start, problems.tasks)]
    trained = train_heads(tasks, [0], config, grid.alphas, progress, tried=True)
    best = [max(first.curve) for (first,) in trained]
    reached = np.array(best).reshape(len(candidates), -1).mean(1)
    return candidates[int(np.argmax(reached))][0]


def _choose_alpha(task: HeadProblem, curves: Sequence[Sequence[float]], alphas: Sequence[float]) -> dict[str, Any]:
    """The alpha that val prefers, of equal ones the one nearest to the posterior mean, and the whole curve."""
    curve = np.mean(curves, 0).tolist()
    alpha, best = max(zip(alphas, curve, strict=True), key=lambda pair: (pair[1], -abs(pair[0] - 0.5)))
    return {
        "variant": task.variant,
        "shots": task.shots,
        **asdict(task.start),
        "alpha": alpha,
        "val": round(best, 6),
        "curve": [[a, round(v, 6)] for a, v in zip(alphas, curve, strict=True)],
    }
