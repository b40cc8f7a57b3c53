"""FLIER on frozen few-shot episodes: every one a task of its own, with a head and a latent encoder of its own.

The tasks are those that other evaluations of the same data and descriptors are scored on (episodes/frozen.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Int
from numpy.typing import NDArray
from torch import Tensor

from syntrans_training.episodes.frozen import FrozenEpisodes
from syntrans_training.flier.model import Pictures
from syntrans_training.flier.task import Task
from syntrans_training.flier.tasks_of_split import FlierTasks


@dataclass(frozen=True)
class EpisodeTasks(FlierTasks):
    """Frozen episodes by number of shots; a task's number is its episode's, and the seed of its training."""

    episodes: Mapping[int, FrozenEpisodes]

    keeps_models: ClassVar[bool] = False  # thousands of them would fill a disk

    def task(self, shots: int, number: int) -> Task:
        """See the base class."""
        episode = self.episodes[shots].episodes[number]
        classes = torch.from_numpy(episode.classes)
        real, query = (self._shown(images) for images in (episode.support, episode.query))
        imagined = None if self.imagined is None else _of_classes(self.imagined, classes)
        return Task(shots, number, real, imagined, query, self.text[classes], self.projection)

    @property
    def truth(self) -> NDArray[np.int64]:
        """See the base class: places of the queries' classes in their episode."""
        ways, queries = next(iter(self.episodes.values())).episodes.query.shape[1:]
        return np.repeat(np.arange(ways), queries)

    def _shown(self, images: NDArray[np.int64]) -> Pictures:
        """Pictures [n, k] of an episode, labelled by the place of their class."""
        shown = self.pictures.at(torch.from_numpy(images).reshape(-1))
        return replace(shown, labels=torch.arange(len(images)).repeat_interleave(images.shape[1]))


def _of_classes(pictures: Pictures, classes: Int[Tensor, " n"]) -> Pictures | None:
    """The pictures of these classes, labelled by their places; None where there is none."""
    picture, place = (pictures.labels[:, None] == classes).nonzero(as_tuple=True)
    return replace(pictures.at(picture), labels=place) if len(picture) else None
