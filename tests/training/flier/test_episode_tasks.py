"""Frozen episodes as FLIER's tasks: classes by their place in the episode, everywhere."""

import numpy as np
import pytest
import torch

from syntrans_training.data import Split
from syntrans_training.episodes.frozen import FrozenEpisodes
from syntrans_training.episodes.sampler import Episodes
from syntrans_training.flier.episode_tasks import EpisodeTasks
from syntrans_training.flier.model import Pictures, Projection

LABELS = torch.arange(4).repeat_interleave(6)


def pictures(labels: torch.Tensor) -> Pictures:
    """A picture's number is all that is seen in it."""
    numbers = torch.arange(len(labels)).float()
    return Pictures(numbers[:, None], numbers.reshape(-1, 1, 1, 1).expand(-1, 4, 8, 8), labels)


@pytest.fixture
def tasks() -> EpisodeTasks:
    split = Split("novel", np.zeros((24, 1, 1, 3), np.uint8), LABELS.numpy(), tuple("abcd"), ("x",) * 24, (), "k")
    support, query = np.array([[[18, 20], [6, 7]]]), np.array([[[19, 21, 23], [8, 9, 10]]])
    episodes = Episodes(np.array([[3, 1]]), support, query)
    frozen = FrozenEpisodes(episodes, np.arange(1), 0, episodes)
    imagined = pictures(torch.tensor([1, 0, 3, 3, 2]))
    text = torch.eye(4)
    return EpisodeTasks(split, pictures(LABELS), imagined, text, Projection(torch.eye(4, 1), None), {2: frozen})


def test_a_task_has_the_pictures_texts_and_imagined_ones_of_its_classes_by_their_places(tasks: EpisodeTasks) -> None:
    task = tasks.task(2, 0)
    assert task.real.before[:, 0].tolist() == [18, 20, 6, 7]
    assert task.real.labels.tolist() == [0, 0, 1, 1]
    assert task.query.before[:, 0].tolist() == [19, 21, 23, 8, 9, 10]
    assert task.query.labels.tolist() == tasks.truth.tolist() == [0, 0, 0, 1, 1, 1]
    assert task.text.argmax(1).tolist() == [3, 1]
    assert task.imagined is not None
    shown = zip(task.imagined.before[:, 0].tolist(), task.imagined.labels.tolist(), strict=True)
    assert sorted(shown) == [(0, 1), (2, 0), (3, 0)]
    assert torch.equal(task.imagined.latents[:, 0, 0, 0], task.imagined.before[:, 0])
