"""All tasks of a split, every one run once and kept: which scores each row gives the same test pictures."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from syntrans.files.semantic_hash import semantic_hash
from syntrans.progress import track
from syntrans_training.data import Split
from syntrans_training.engine import checkpoint
from syntrans_training.engine.devices import one_thread
from syntrans_training.flier.model import Pictures, Projection
from syntrans_training.flier.rows import FLIER, ROWS
from syntrans_training.flier.task import Division, Task, draw_shots
from syntrans_training.flier.training import Recipe

Settings = Mapping[str, Sequence[Mapping[str, float]]]  # row -> settings to score


@dataclass(frozen=True)
class FlierTasks(ABC):
    """A split as FLIER sees it, of which subclasses make tasks."""

    split: Split
    pictures: Pictures
    imagined: Pictures | None
    text: Float[Tensor, "c d"]
    projection: Projection

    keeps_models: ClassVar[bool]

    @abstractmethod
    def task(self, shots: int, number: int) -> Task:
        """The task of this number."""

    @property
    @abstractmethod
    def truth(self) -> NDArray[np.int64]:
        """Labels [m] of the test pictures of every task."""


@dataclass(frozen=True)
class SplitTasks(FlierTasks):
    """All classes at once; a task's number is the seed of its shots."""

    division: Division

    keeps_models: ClassVar[bool] = True

    def task(self, shots: int, number: int) -> Task:
        """See the base class."""
        real = self.pictures.at(draw_shots(self.division, shots, number))
        query = self.pictures.at(torch.from_numpy(self.division.test))
        return Task(shots, number, real, self.imagined, query, self.text, self.projection)

    @property
    def truth(self) -> NDArray[np.int64]:
        """See the base class."""
        labels: NDArray[np.int64] = self.pictures.labels.numpy()[self.division.test]
        return labels


def run_tasks(
    tasks: FlierTasks,
    recipe: Recipe,
    settings: Mapping[int, Settings],
    numbers: Sequence[int],
    *,
    folder: Path,
    key: str,
) -> dict[int, dict[str, list[NDArray[np.float32]]]]:
    """Shots -> row -> for every setting the scores [tasks, m, C]. A task that is in `folder` is not run again."""
    scores: dict[int, dict[str, list[NDArray[np.float32]]]] = {}
    total = len(settings) * len(numbers)
    with track(f"tasks of {tasks.split.name}", total, "tasks") as progress, one_thread():
        for shots, wanted in settings.items():
            runs = []
            for number in numbers:
                runs.append(_run(tasks, recipe, shots, wanted, number, folder, key))
                progress.advance(1, f"{shots}-shot")
            scores[shots] = {
                row: [np.stack([run[f"scores.{row}.{i}"].numpy() for run in runs]) for i in range(len(of_row))]
                for row, of_row in wanted.items()
            }
    return scores


def _run(
    tasks: FlierTasks, recipe: Recipe, shots: int, wanted: Settings, number: int, folder: Path, key: str
) -> Mapping[str, Tensor]:
    """One task by all rows, from its file where that fits."""
    listed = {row: [dict(one) for one in of_row] for row, of_row in wanted.items()}
    identity = semantic_hash({"key": key, "shots": shots, "seed": number, "settings": listed})
    path = folder / f"{tasks.split.name}-{shots}-shot-{number}.safetensors"
    kept = checkpoint.load_matching(path, identity)
    if kept is not None:
        return kept[0]
    task = tasks.task(shots, number)
    tensors: dict[str, Tensor] = {}
    for row, of_row in wanted.items():
        scores, model = ROWS[row].run(task, recipe, of_row)
        tensors |= {f"scores.{row}.{i}": one.detach().float() for i, one in enumerate(scores)}
        if model is not None and row == FLIER and tasks.keeps_models:
            tensors |= {f"model.{name}": value for name, value in model.state_dict().items()}
    note = {"identity": identity, "shots": shots, "seed": number, "classes": list(tasks.split.classes)}
    checkpoint.save(path, tensors, note)
    return tensors
