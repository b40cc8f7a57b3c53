"""Features that episodes index, and the scores of methods on them.

Linear methods (`methods.LinearMethod`) share one product with the queries: per episode [m, d] @ [d, methods * n]. The
queries of a whole chunk are never gathered for those; a few episodes at a time are, so that they are still in the cache
of a core when they are multiplied. That gather of m rows is most of the cost of a prototype row, and does not grow with
the number of linear methods. What methods see of supports is read of every picture once (`read_pictures`).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from syntrans_training.episodes.sampler import Episodes
from syntrans_training.methods import LinearClassifiers, LinearMethod, Method
from syntrans_training.methods.base import ReadsSupports, SupportReader

CACHE_BYTES = 1 << 20  # of gathered queries at once on a CPU: about a core's second-level cache
FEW = 10  # classifiers that are multiplied with queries rather than queries with them: a third faster
READ = 1000  # pictures that are read at once
DEVICE_BYTES = 1 << 30  # and on a GPU, where starting a kernel costs more than memory


class FeatureGather:
    """One thread's view of features.

    Args: features: [n, d], queries and, without views, supports; support_views: [n, V, d], augmented pictures that
    stand in for each support; read: what readers have made of every picture that is a support (`read_pictures`).
    """

    def __init__(
        self,
        features: Float[Tensor, "n d"],
        support_views: Float[Tensor, "n v d"] | None = None,
        read: Mapping[SupportReader, Float[Tensor, "n r"]] | None = None,
    ) -> None:
        self.features, self.support_views, self.read = features, support_views, read or {}
        self.inverse_length = 1 / features.norm(dim=-1).clamp(min=1e-12)
        self._rooms: dict[str, Tensor] = {}

    def scores(self, tasks: Episodes, methods: Sequence[Method]) -> Iterator[Float[Tensor, "e m n"]]:
        """The scores of each method in turn, to be used before the next call."""
        device = self.features.device
        classes, support_ids, query_ids = (
            torch.from_numpy(ids).to(device) for ids in (tasks.classes, tasks.support, tasks.query)
        )
        images = query_ids.flatten(1)
        linear = iter(self._linear_scores(images, self._classifiers(methods, support_ids, classes)))
        pictures: tuple[Tensor, Tensor] | None = None
        for method in methods:
            if isinstance(method, LinearMethod):
                yield next(linear)
            else:
                pictures = pictures or (self._supports(support_ids), self.features[images])
                yield method.scores(*pictures, classes)

    def _classifiers(
        self, methods: Sequence[Method], images: Int[Tensor, "e n k"], classes: Int[Tensor, "e n"]
    ) -> list[LinearClassifiers]:
        """Those of the linear ones; what several take of the supports is made once."""
        readings: dict[SupportReader, Any] = {}
        classifiers: list[LinearClassifiers] = []
        support: Tensor | None = None
        for method in methods:
            if isinstance(method, ReadsSupports) and method.reader in self.read:
                if method.reader not in readings:
                    rows = F.embedding_bag(images.flatten(0, 1), self.read[method.reader], mode="mean")
                    readings[method.reader] = method.reader.of_mean(rows.view(*classes.shape, -1), images.shape[2])
                classifiers.append(method.classify(readings[method.reader], classes, images.shape[2]))
            elif isinstance(method, LinearMethod):
                support = self._supports(images) if support is None else support
                classifiers.append(method.classifiers(support, classes))
        return classifiers

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
            if weight.shape[1] <= FEW:
                products[i : i + step] = torch.bmm(weight[i : i + step], queries.mT).mT
            else:
                torch.bmm(queries, weight[i : i + step].mT, out=products[i : i + step])
        scores = list(torch.split(products, classifiers[0].weight.shape[1], -1))
        for j, linear in enumerate(classifiers):
            if linear.cosine:
                scores[j] = scores[j] * self.inverse_length[images].unsqueeze(-1)
            if linear.bias is not None:
                scores[j] = scores[j] + linear.bias.unsqueeze(1)
        return scores


def read_pictures(
    methods: Sequence[Method], features: Float[Tensor, "n d"], tasks: Episodes
) -> dict[SupportReader, Float[Tensor, "n r"]]:
    """What the methods' readers make of every picture of `features` that is a support in the tasks."""
    own = np.zeros(len(features), np.int64)
    own[tasks.support] = tasks.classes[..., None]
    shown = np.unique(tasks.support)
    parts = [torch.from_numpy(part).to(features.device) for part in np.split(shown, range(READ, len(shown), READ))]
    classes, read = torch.from_numpy(own).to(features.device), {}
    for reader in dict.fromkeys(method.reader for method in methods if isinstance(method, ReadsSupports)):
        for part in parts:
            rows = reader.of_pictures(features[part], classes[part])
            if reader not in read:
                read[reader] = rows.new_empty(len(features), rows.shape[1])
            read[reader][part] = rows
    return read
