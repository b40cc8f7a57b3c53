"""Features that episodes index, and the scores of methods on them.

Linear methods (`methods.LinearMethod`) share one product with the queries: per episode [m, d] @ [d, methods * n]. The
queries of a whole chunk are never gathered for those; a few episodes at a time are, so that they are still in the cache
of a core when they are multiplied. That gather of m rows is most of the cost of a prototype row, and does not grow with
the number of linear methods.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from syntrans_training.episodes.sampler import Episodes
from syntrans_training.methods import LinearClassifiers, LinearMethod, Method
from syntrans_training.methods.base import ReadsSupports

CACHE_BYTES = 1 << 20  # of gathered queries at once on a CPU: about a core's second-level cache
DEVICE_BYTES = 1 << 30  # and on a GPU, where starting a kernel costs more than memory


class FeatureGather:
    """One thread's view of features.

    Args: features: [n, d], queries and, without views, supports; support_views: [n, V, d], augmented pictures that
    stand in for each support.
    """

    def __init__(self, features: Float[Tensor, "n d"], support_views: Float[Tensor, "n v d"] | None = None) -> None:
        self.features, self.support_views = features, support_views
        self.inverse_length = 1 / features.norm(dim=-1).clamp(min=1e-12)
        self._rooms: dict[str, Tensor] = {}

    def scores(self, tasks: Episodes, methods: Sequence[Method]) -> Iterator[Float[Tensor, "e m n"]]:
        """The scores of each method in turn, to be used before the next call."""
        device = self.features.device
        classes, support_ids, query_ids = (
            torch.from_numpy(ids).to(device) for ids in (tasks.classes, tasks.support, tasks.query)
        )
        support, images = self._supports(support_ids), query_ids.flatten(1)
        linear = iter(self._linear_scores(images, _classifiers(methods, support, classes)))
        query: Tensor | None = None
        for method in methods:
            if isinstance(method, LinearMethod):
                yield next(linear)
            else:
                query = self.features[images] if query is None else query
                yield method.scores(support, query, classes)

    def _supports(self, images: Int[Tensor, "e n k"]) -> Float[Tensor, "e n kv d"]:
        """The supports of every class, all their views."""
        source = self.features.unsqueeze(1) if self.support_views is None else self.support_views
        e, n, _ = images.shape
        return self._gather("support", source, images.reshape(-1)).view(e, n, -1, source.shape[-1])

    def _gather(self, room: str, source: Tensor, images: Int[Tensor, " i"]) -> Tensor:
        """source[images] in memory that is used again: the pages of fresh memory cost more than the copy."""
        if room not in self._rooms or len(self._rooms[room]) < len(images):
            self._rooms[room] = source.new_empty(len(images), *source.shape[1:])
        return torch.index_select(source, 0, images, out=self._rooms[room][: len(images)])

    def _linear_scores(
        self, images: Int[Tensor, "e m"], classifiers: Sequence[LinearClassifiers]
    ) -> list[Float[Tensor, "e m n"]]:
        """`LinearClassifiers.scores` of each, with one gather of the queries for all of them."""
        if not classifiers:
            return []
        weight = torch.cat([c.weight for c in classifiers], 1)
        e, m, d = *images.shape, weight.shape[-1]
        products = weight.new_empty(e, m, weight.shape[1])
        room = DEVICE_BYTES if images.is_cuda else CACHE_BYTES
        step = max(1, room // (m * d * weight.element_size()))
        for i in range(0, e, step):
            block = images[i : i + step]
            queries = self._gather("query", self.features, block.reshape(-1)).view(*block.shape, d)
            torch.bmm(queries, weight[i : i + step].mT, out=products[i : i + step])
        scores = list(torch.split(products, classifiers[0].weight.shape[1], -1))
        for j, linear in enumerate(classifiers):
            if linear.cosine:
                scores[j] = scores[j] * self.inverse_length[images].unsqueeze(-1)
            if linear.bias is not None:
                scores[j] = scores[j] + linear.bias.unsqueeze(1)
        return scores


def _classifiers(
    methods: Sequence[Method], support: Float[Tensor, "e n k d"], classes: Int[Tensor, "e n"]
) -> list[LinearClassifiers]:
    """Those of the linear ones; what several take of the supports is made once."""
    readings: dict[int, Any] = {}
    classifiers = []
    for method in methods:
        if isinstance(method, ReadsSupports):
            if id(method.reader) not in readings:
                readings[id(method.reader)] = method.read(support)
            classifiers.append(method.classify(readings[id(method.reader)], classes))
        elif isinstance(method, LinearMethod):
            classifiers.append(method.classifiers(support, classes))
    return classifiers
