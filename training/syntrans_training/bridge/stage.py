"""The VSBird stage of `syntrans train`: where the bridge starts, what it learns, how it fuses; all chosen on val.

1. The shared space, once for all kinds of text: power and shrinkage by the closed form, noise by one trained head each.
2. For every variant (text/class_vectors.py, and `none`: the same head without text): where its maps start.
3. For every variant, number of shots and seed: training on tasks of held-out base classes (episodic_loss.py); the
   weights of the best validation check are kept.
4. For every variant and number of shots: alpha, by the accuracy of all seeds.
vsbird.safetensors grows head by head, so an interrupted stage goes on after the last one that was finished.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from syntrans.progress import Tracker, track
from syntrans_training.bridge.head_training import HeadProblem, HeadTrainingConfig, train_head
from syntrans_training.bridge.initialisation import (
    ClassVectorSource,
    Grid,
    MapInit,
    RawFeatures,
    ScoreHeads,
    SpaceSettings,
    accuracies,
    best_settings_per_noise,
    choose_map_init,
    full_class_vectors,
    held_out_metrics,
    transform_features,
)
from syntrans_training.data.novel_split_guard import selecting
from syntrans_training.engine import checkpoint
from syntrans_training.engine.devices import one_thread
from syntrans_training.episodes.sampler import Episodes
from syntrans_training.modules.shared_space import Metric, Phi
from syntrans_training.modules.vsbird import VSBird

VSBIRD = "vsbird.safetensors"


@dataclass(frozen=True)
class TrainedBridges:
    """What the stage leaves: phi, trained heads and the choice by (variant, shots)."""

    phi: Phi
    heads: dict[tuple[str, int], list[VSBird]]
    choices: dict[tuple[str, int], dict[str, Any]]

    @property
    def variants(self) -> tuple[str, ...]:
        """The text variants that were trained, in order."""
        return tuple(dict.fromkeys(variant for variant, _ in self.heads))


def run_stage(
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
    file = _HeadFile(path, tensors, note)
    seeds = range(config.seed, config.seed + (config.seeds if config.steps else 1))
    noises = len({space.noise for space in grid.spaces})
    for_space = noises * len(tasks) if noises > 1 and "space" not in note else 0
    n_heads = for_space + len(variants) * len(tasks) * len(seeds)
    with selecting(), one_thread(), track("train bridge", n_heads, "heads", len(note["heads"])) as progress:
        score_val = partial(accuracies, tasks=tasks, n_classes=raw.n_val)
        if "space" not in note:
            note["space"] = asdict(_choose_space(raw, texts, tasks, variants[0], grid, config, score_val, progress))
            file.save()
        space = SpaceSettings(**note["space"])
        phi, features = transform_features(raw, space.power)
        tensors["phi.mean"] = phi.mean
        for variant in variants:
            choose = partial(choose_map_init, features, space, texts, variant, grid.starts, score_val)
            start = file.start(variant, partial(choose, fusion=config.parts["fusion"]))
            text = full_class_vectors(texts, variant, start.name_share)
            left_out = held_out_metrics(features, text, space, start, size=config.ways, seed=config.seed)
            for shots in tasks:
                if not file.has(variant, shots):
                    task = HeadProblem(features, space, start, texts, variant, shots, tasks[shots], raw.n_val, left_out)
                    file.add(task, config, seeds, _heads(task, config, seeds, progress), grid.alphas)
    return checkpoint.read_note(path)


@dataclass
class _HeadFile:
    """The file of the stage, which grows: where maps start, then heads and the choice by (variant, shots)."""

    path: Path
    tensors: dict[str, Tensor]
    note: dict[str, Any]

    def save(self) -> None:
        checkpoint.save(self.path, self.tensors, self.note)

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
        config: HeadTrainingConfig,
        seeds: Iterable[int],
        trained: Sequence[tuple[VSBird, dict[str, Any]]],
        alphas: Sequence[float],
    ) -> None:
        """Keep trained heads, one for each seed, with their choice of alpha."""
        of_task = {"variant": task.variant, "shots": task.shots}
        for seed, (head, _) in zip(seeds, trained, strict=True):
            prefix = f"{task.variant}.{task.shots}.{seed}"
            self.tensors |= {f"{prefix}.{name}": tensor for name, tensor in head.state_dict().items()}
        self.note["choices"].append(_choose_alpha(task, [head for head, _ in trained], alphas))
        self.note["heads"] += [{**of_task, **log} for _, log in trained]
        self.note["parts"] = dict(config.parts)
        self.save()


def _heads(
    task: HeadProblem, config: HeadTrainingConfig, seeds: Iterable[int], progress: Tracker
) -> list[tuple[VSBird, dict[str, Any]]]:
    found = []
    for seed in seeds:
        found.append(train_head(task, config, seed))
        progress.advance()
    return found


def load(path: Path) -> TrainedBridges:
    """The heads of a file that `run_stage` finished."""
    tensors, note = checkpoint.load(path)
    phi = Phi(note["space"]["power"], tensors["phi.mean"])
    found: dict[tuple[str, int], list[VSBird]] = {}
    for log in note["heads"]:
        of_head = checkpoint.part(tensors, f"{log['variant']}.{log['shots']}.{log['seed']}")
        metric = Metric(of_head["transform"], of_head["precision"])
        head = VSBird(metric, of_head["base"], of_head["base_text"], **note["parts"])
        head.load_state_dict(of_head)
        found.setdefault((log["variant"], log["shots"]), []).append(head.eval().requires_grad_(requires_grad=False))
    return TrainedBridges(phi, found, {(c["variant"], c["shots"]): c for c in note["choices"]})


def _choose_space(
    raw: RawFeatures,
    texts: ClassVectorSource,
    tasks: Mapping[int, Episodes],
    variant: str,
    grid: Grid,
    config: HeadTrainingConfig,
    scores: ScoreHeads,
    progress: Tracker,
) -> SpaceSettings:
    """Of the candidates the one whose first head is best on val after its training, at any alpha."""
    found = best_settings_per_noise(raw, texts, variant, grid, scores, fusion=config.parts["fusion"])
    if len(found) == 1:
        return found[0][0]
    reached = []
    for space, start in found:
        _, features = transform_features(raw, space.power)
        left_out = held_out_metrics(
            features, full_class_vectors(texts, variant, start.name_share), space, start, size=config.ways
        )
        of_shots = [
            HeadProblem(features, space, start, texts, variant, k, val, raw.n_val, left_out) for k, val in tasks.items()
        ]
        first = [(task, _heads(task, config, [0], progress)[0][0]) for task in of_shots]
        reached.append(np.mean([max(task.curve(head, grid.alphas)) for task, head in first]))
    return found[int(np.argmax(reached))][0]


def _choose_alpha(task: HeadProblem, heads: Sequence[VSBird], alphas: Sequence[float]) -> dict[str, Any]:
    """The alpha that val prefers, of equal ones the one nearest to the posterior mean, and the whole curve."""
    curve = np.mean([task.curve(head, alphas) for head in heads], 0).tolist()
    alpha, best = max(zip(alphas, curve, strict=True), key=lambda pair: (pair[1], -abs(pair[0] - 0.5)))
    return {
        "variant": task.variant,
        "shots": task.shots,
        **asdict(task.start),
        "alpha": alpha,
        "val": round(best, 6),
        "curve": [[a, round(v, 6)] for a, v in zip(alphas, curve, strict=True)],
    }
