"""All tasks of a split, every one run once and kept: which scores each row gives the same test pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor

from syntrans.files.semantic_hash import semantic_hash
from syntrans.progress import track
from syntrans_training.data import Split
from syntrans_training.engine import checkpoint
from syntrans_training.engine.devices import one_thread
from syntrans_training.flier.model import Pictures, Projection
from syntrans_training.flier.rows import FLIER, ROWS
from syntrans_training.flier.task import Division, Task, divide, draw_shots
from syntrans_training.flier.training import Recipe

Settings = Mapping[str, Sequence[Mapping[str, float]]]  # row -> settings to score


@dataclass(frozen=True)
class SplitTasks:
    """A split as FLIER sees it, and what its tasks are made of."""

    split: Split
    pictures: Pictures
    imagined: Pictures | None
    text: Float[Tensor, "c d"]
    projection: Projection
    division: Division

    @property
    def truth(self) -> NDArray[np.int64]:
        """Labels of the test pictures."""
        labels: NDArray[np.int64] = self.pictures.labels.numpy()[self.division.test]
        return labels


def split_tasks(
    split: Split,
    pictures: Pictures,
    imagined: Pictures | None,
    text: Float[Tensor, "c d"],
    projection: Projection,
    seen: Bool[np.ndarray, " n"],
    *,
    pool: int,
    most: int,
) -> SplitTasks:
    """Divide a split's pictures; InputError where a class has too few."""
    division = divide(np.asarray(split.labels), seen, split.classes, pool=pool, most=most)
    return SplitTasks(split, pictures, imagined, text, projection, division)


def run_tasks(
    tasks: SplitTasks, recipe: Recipe, settings: Mapping[int, Settings], seeds: Sequence[int], *, folder: Path, key: str
) -> dict[int, dict[str, list[NDArray[np.float32]]]]:
    """Shots -> row -> for every setting the scores [seeds, m, C]. A task that is in `folder` is not run again."""
    scores: dict[int, dict[str, list[NDArray[np.float32]]]] = {}
    total = len(settings) * len(seeds)
    with track(f"tasks of {tasks.split.name}", total, "tasks") as progress, one_thread():
        for shots, wanted in settings.items():
            runs = []
            for seed in seeds:
                runs.append(_run(tasks, recipe, shots, wanted, seed, folder, key))
                progress.advance(1, f"{shots}-shot")
            scores[shots] = {
                row: [np.stack([run[f"scores.{row}.{i}"].numpy() for run in runs]) for i in range(len(of_row))]
                for row, of_row in wanted.items()
            }
    return scores


def _run(
    tasks: SplitTasks, recipe: Recipe, shots: int, wanted: Settings, seed: int, folder: Path, key: str
) -> Mapping[str, Tensor]:
    """One task by all rows, from its file where that fits; the file keeps FLIER's model too."""
    listed = {row: [dict(one) for one in of_row] for row, of_row in wanted.items()}
    identity = semantic_hash({"key": key, "shots": shots, "seed": seed, "settings": listed})
    path = folder / f"{tasks.split.name}-{shots}-shot-{seed}.safetensors"
    kept = checkpoint.load_matching(path, identity)
    if kept is not None:
        return kept[0]
    real = tasks.pictures.at(draw_shots(tasks.division, shots, seed))
    query = tasks.pictures.at(torch.from_numpy(tasks.division.test))
    task = Task(shots, seed, real, tasks.imagined, query, tasks.text, tasks.projection)
    tensors: dict[str, Tensor] = {}
    for row, of_row in wanted.items():
        scores, model = ROWS[row].run(task, recipe, of_row)
        tensors |= {f"scores.{row}.{i}": one.detach().float() for i, one in enumerate(scores)}
        if model is not None and row == FLIER:
            tensors |= {f"model.{name}": value for name, value in model.state_dict().items()}
    note = {"identity": identity, "shots": shots, "seed": seed, "classes": list(tasks.split.classes)}
    checkpoint.save(path, tensors, note)
    return tensors
