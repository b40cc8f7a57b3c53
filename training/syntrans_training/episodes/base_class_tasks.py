"""Pseudo-novel tasks: few-shot tasks of base classes, on frozen features, that heads are trained on.

Task number i is drawn from (seed, i), so a head trained again ends in the same weights. Besides a task's queries come
as many of the base classes that were left in memory, where a head asks for them (Gidaris and Komodakis, CVPR 2018).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from syntrans_training.episodes.class_index import ClassIndex


@dataclass(frozen=True)
class PseudoNovelTasks:
    """B tasks: supports, queries ordered by class, the classes' numbers, and queries of the other base classes."""

    support: Float[Tensor, "b n k d"]
    query: Float[Tensor, "b m d"]
    classes: Int[Tensor, "b n"]
    others: Float[Tensor, "b o d"]
    other_classes: Int[Tensor, "b o"]


def take(rows: Float[Tensor, "n d"], places: Int[Tensor, "*b"]) -> Float[Tensor, "*b d"]:
    """rows[places], several times as fast."""
    return rows.index_select(0, places.flatten()).view(*places.shape, rows.shape[1])


class PseudoNovelSampler:
    """Draws batches of N-way K-shot tasks from base features [n, d] with labels [n]; `others`: see PseudoNovelTasks."""

    def __init__(
        self,
        features: Float[Tensor, "n d"],
        labels: Int[Tensor, " n"],
        *,
        ways: int,
        shots: int,
        queries: int,
        batch: int,
        seed: int,
        others: bool = True,
    ) -> None:
        self.features, self.labels, self.index = features, labels, ClassIndex(labels)
        self.ways, self.shots, self.batch, self.seed = min(ways, self.index.n_classes // 2), shots, batch, seed
        self.others = others
        self.queries = min(queries, self.index.fewest - shots)
        if self.queries < 1:
            raise ValueError(f"a base class has {self.index.fewest} images; {shots} shots leave none as a query")

    def draw(self, step: int, held_out_mask: Bool[Tensor, " c"] | None = None) -> PseudoNovelTasks:
        """The batch of a step, the same whenever it is asked for; `held_out_mask` play novel ones, or any do."""
        generator = torch.Generator().manual_seed((self.seed * 1_000_003 + step) % 2**63)
        order = self.index.draw_classes(
            self.batch, generator, first=None if held_out_mask is None else held_out_mask.float()
        )
        classes, rest = order[:, : self.ways], order[:, self.ways :]
        images = self.index.draw_images(classes, self.shots + self.queries, generator)
        m = self.ways * self.queries * self.others
        places = torch.randint(rest.shape[1], (self.batch, m), generator=generator)
        other_classes = rest.gather(1, places)
        others = self.index.draw_images(other_classes, 1, generator).squeeze(-1)
        return PseudoNovelTasks(
            support=take(self.features, images[:, :, : self.shots]),
            query=take(self.features, images[:, :, self.shots :].flatten(1)),
            classes=classes,
            others=take(self.features, others),
            other_classes=other_classes,
        )
