"""Drawing few-shot tasks from labels: which pictures a class has, and which query is of which class."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from syntrans_training.episodes.sampler import member_table


class ClassIndex:
    """The pictures of every class, from labels [n] of classes 0..C-1.

    Args: labels: class number of every picture; every class must occur.
    """

    def __init__(self, labels: Int[Tensor, " n"]) -> None:
        self._members = torch.from_numpy(member_table(labels.numpy()))
        self.n_classes, self.fewest = len(self._members), int((self._members >= 0).sum(1).min())

    def draw_classes(
        self, tasks: int, generator: torch.Generator, *, first: Float[Tensor, " c"] | None = None
    ) -> Int[Tensor, "t c"]:
        """All classes in a random order for each task; those with a 1 in `first` come before those with a 0."""
        lots = torch.rand(tasks, self.n_classes, generator=generator)
        return (lots if first is None else lots - first).argsort(1)

    def draw_images(
        self, classes: Int[Tensor, "t n"], count: int, generator: torch.Generator
    ) -> Int[Tensor, "t n count"]:
        """`count` different pictures of every class; `count` must not exceed `fewest`."""
        images = self._members[classes]
        lots = torch.rand(images.shape, generator=generator).masked_fill(images < 0, 2.0)
        return images.gather(-1, lots.argsort(-1)[..., :count])


def query_labels(n_way: int, n_query: int, *, device: torch.device | None = None) -> Int[Tensor, " m"]:
    """The place of each query's class in its task: Q queries of class 0, then Q of class 1, and so on."""
    return torch.arange(n_way, device=device).repeat_interleave(n_query)
