"""Views: classifiers in groups that share features, and the space of one bridge where they have one.

Linear methods of a view share the product with the queries (feature_gather.py). Pictures are brought into a space once
for all episodes, and views are gone through one after another: what is made for one is as large as the features.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import local
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from syntrans_training.episodes.sampler import Episodes
from syntrans_training.methods import Method
from syntrans_training.methods.base import InSpace, Space
from syntrans_training.scoring.feature_gather import FeatureGather, read_pictures
from syntrans_training.scoring.scored_classifier import ScoredClassifier

Kept = TypeVar("Kept")

CPU_CHUNK = 100  # episodes at once of a CPU's thread: what is made of more no longer fits its cache


@dataclass
class View:
    """Features [n, d], with or without views of the supports, and the methods that look at them, of any rows."""

    features: Float[Tensor, "n d"]
    support_views: Float[Tensor, "n v d"] | None
    space: Space | None = None
    rows: list[str] = field(default_factory=list)
    methods: list[Method] = field(default_factory=list)

    def each(
        self, tasks: Episodes, chunk: int, keep: Callable[[Episodes, str, Float[Tensor, "e m n"]], Kept]
    ) -> Iterator[tuple[int, list[Kept]]]:
        """Chunk by chunk its episodes' number, and what `keep` makes of them, the row and the scores of every method.

        `chunk` is how many episodes are in memory at once. Runs where the features are.
        """
        seen, views, methods = self._brought(tasks)
        with torch.inference_mode():
            read = read_pictures(methods, seen, tasks) if views is None else {}
        mine = local()

        def answer(part: Episodes) -> tuple[int, list[Kept]]:
            if not hasattr(mine, "gather"):
                mine.gather = FeatureGather(seen, views, read)
            with torch.inference_mode():
                scores = mine.gather.scores(part, methods)
                return len(part), [keep(part, name, of_row) for name, of_row in zip(self.rows, scores, strict=True)]

        with _workers(1 if seen.is_cuda else torch.get_num_threads()) as (pool, workers):
            at_once = chunk if seen.is_cuda else min(chunk // workers, CPU_CHUNK)
            yield from pool.map(answer, tasks.chunks(max(1, at_once)))

    @torch.inference_mode()
    def _brought(self, tasks: Episodes) -> tuple[Tensor, Tensor | None, list[Method]]:
        """Pictures, views and methods; in the space if that takes less than the methods' supports, and weights back."""
        by_method = tasks.support.size + tasks.classes.size
        if self.space is None or len(self.features) > len(self.methods) * by_method:
            return self.features, self.support_views, self.methods
        views = None if self.support_views is None else self.space.project(self.support_views)
        within = [method.within for method in self.methods if isinstance(method, InSpace)]
        return self.space.project(self.features), views, within


def views_of(rows: Mapping[str, ScoredClassifier]) -> list[View]:
    """The methods of all rows, in groups that look at the same features through the same space."""
    views: dict[tuple[int, int, int], View] = {}
    for name, row in rows.items():
        for method in row.methods:
            space = method.space if isinstance(method, InSpace) else None
            key = id(row.features), id(row.support_views), id(space)
            view = views.setdefault(key, View(row.features, row.support_views, space))
            view.rows.append(name)
            view.methods.append(method)
    return list(views.values())


@contextmanager
def _workers(count: int) -> Iterator[tuple[ThreadPoolExecutor, int]]:
    """A pool of threads that each work on chunks of their own, without torch's threads within an operation.

    The operations here are small: dividing each between threads costs as much as it saves, and where other programs
    want the same cores, the threads wait for each other at every one of them.
    """
    before = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield pool, count
    finally:
        torch.set_num_threads(before)
