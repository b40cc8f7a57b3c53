"""Scoring: every row of a table on every episode, chunk by chunk, and what is kept of it.

Rows that look at the same features share their supports, and the linear ones among them (`methods.Linear`) share one
product with the queries: per episode [m, d] @ [d, heads * n]. The queries of a whole chunk are never gathered for
those; a few episodes at a time are, so that they are still in the processor's cache when they are multiplied. That
gather of m rows is the whole cost of a prototype row, and it does not grow with the number of linear rows.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from .episodes import Episodes
from .methods import Heads, Linear, Method
from .metrics import ece
from .progress import track

if TYPE_CHECKING:
    from .rows import Row

CACHE_BYTES = 1 << 20  # of gathered queries at once on a CPU: about a core's second-level cache
DEVICE_BYTES = 1 << 30  # and on a GPU, where starting a kernel costs more than memory


@dataclass(frozen=True)
class Outcome:
    """What one row answered on E episodes of m = N * Q queries; accuracies in [0, 1].

    `correct` [E, m] is the share of the row's methods that got a query right, queries ordered as `Episodes.query`.
    `accuracy` [E] is its mean. `confusion` [C, C] counts true class x predicted class over all queries (and methods).
    `image_correct` [n] sums `correct` over the `image_shown` [n] times that an image was a query. `ece` is the expected
    calibration error (15 bins) of softmax(scores * temperature).
    """

    accuracy: NDArray[np.float64]
    correct: NDArray[np.float32]
    confusion: NDArray[np.int64]
    image_correct: NDArray[np.float64]
    image_shown: NDArray[np.int64]
    ece: float


def score(rows: Mapping[str, "Row"], tasks: Episodes, *, n_classes: int, chunk: int) -> dict[str, Outcome]:
    """Every row on every episode; `n_classes` is that of the split.

    The memory for features and scores grows with `chunk`, not with the number of episodes; what stays is 8 bytes per
    row and query. Runs where the rows' features are.
    """
    banks = _banks(rows)
    tallies = {name: _Tally(row, n_classes) for name, row in rows.items()}
    with track(f"{tasks.support.shape[2]}-shot episodes", len(tasks), "episodes") as progress, torch.inference_mode():
        for part in tasks.chunks(chunk):
            for bank, names in banks:
                methods = [method for name in names for method in rows[name].methods]
                found = iter(bank.scores(part, methods))
                for name in names:
                    tallies[name].add(part, [next(found) for _ in rows[name].methods])
            progress.advance(len(part))
    return {name: tally.outcome(tasks) for name, tally in tallies.items()}


def _banks(rows: Mapping[str, "Row"]) -> list[tuple["Bank", list[str]]]:
    """The rows in groups that look at the same tensors."""
    groups: dict[tuple[int, int], list[str]] = {}
    for name, row in rows.items():
        groups.setdefault((id(row.features), id(row.support_views)), []).append(name)
    return [(Bank(rows[names[0]].features, rows[names[0]].support_views), names) for names in groups.values()]


class Bank:
    """Features that episodes index.

    Args: features: [n, d], queries and, without views, supports; support_views: [n, V, d], augmented pictures that
    stand in for each support.
    """

    def __init__(self, features: Float[Tensor, "n d"], support_views: Float[Tensor, "n v d"] | None = None) -> None:
        self.features, self.support_views = features, support_views
        self.inverse_length = 1 / features.norm(dim=-1).clamp(min=1e-12)
        self._rooms: dict[str, Tensor] = {}

    def scores(self, tasks: Episodes, methods: Sequence[Method]) -> Iterator[Float[Tensor, "e m n"]]:
        """The scores of each method in turn."""
        device = self.features.device
        classes, support_ids, query_ids = (
            torch.from_numpy(ids).to(device) for ids in (tasks.classes, tasks.support, tasks.query)
        )
        support, images = self._supports(support_ids), query_ids.flatten(1)
        heads = [method.heads(support, classes) for method in methods if isinstance(method, Linear)]
        linear = iter(self._linear_scores(images, heads))
        query: Tensor | None = None
        for method in methods:
            if isinstance(method, Linear):
                yield next(linear)
            else:
                query = self.features[images] if query is None else query
                yield method.scores(support, query, classes)

    def _supports(self, images: Int[Tensor, "e n k"]) -> Float[Tensor, "e n kv d"]:
        """The supports of every class, all their views; they stay until the next call."""
        source = self.features.unsqueeze(1) if self.support_views is None else self.support_views
        e, n, _ = images.shape
        return self._gather("support", source, images.view(-1)).view(e, n, -1, source.shape[-1])

    def _gather(self, room: str, source: Tensor, images: Int[Tensor, " i"]) -> Tensor:
        """source[images] in memory that is used again: the pages of fresh memory cost more than the copy."""
        if room not in self._rooms or len(self._rooms[room]) < len(images):
            self._rooms[room] = source.new_empty(len(images), *source.shape[1:])
        return torch.index_select(source, 0, images, out=self._rooms[room][: len(images)])

    def _linear_scores(self, images: Int[Tensor, "e m"], heads: Sequence[Heads]) -> list[Float[Tensor, "e m n"]]:
        """`Heads.scores` of every head; the queries are gathered once for all heads, a few episodes at a time."""
        if not heads:
            return []
        weight = torch.cat([head.weight for head in heads], 1)
        e, m, d = *images.shape, weight.shape[-1]
        room = DEVICE_BYTES if images.is_cuda else CACHE_BYTES
        step = max(1, room // (m * d * weight.element_size()))
        products = weight.new_empty(e, m, weight.shape[1])
        for i in range(0, e, step):
            block = images[i : i + step]
            queries = self._gather("query", self.features, block.reshape(-1)).view(*block.shape, d)
            torch.bmm(queries, weight[i : i + step].mT, out=products[i : i + step])
        found = list(torch.split(products, heads[0].weight.shape[1], -1))
        for j, head in enumerate(heads):
            if head.cosine:
                found[j] = found[j] * self.inverse_length[images].unsqueeze(-1)
            if head.bias is not None:
                found[j] = found[j] + head.bias.unsqueeze(1)
        return found


class _Tally:
    """Collects what one row answers."""

    def __init__(self, row: "Row", n_classes: int) -> None:
        self.n_images, self.n_classes, self.temperature = len(row.features), n_classes, row.temperature
        self.confusion = np.zeros(n_classes * n_classes, np.int64)
        self.correct: list[NDArray[np.float32]] = []
        self.confidence: list[NDArray[np.float32]] = []
        self.right: list[NDArray[np.bool_]] = []

    def add(self, part: Episodes, scores: Sequence[Float[Tensor, "e m n"]]) -> None:
        """One chunk: the scores of each of the row's methods."""
        n_query = part.query.shape[2]
        classes = torch.from_numpy(part.classes).to(scores[0].device)
        truth = classes.repeat_interleave(n_query, 1)
        total = torch.zeros(truth.shape, device=classes.device)
        for each in scores:
            place = each.argmax(-1)  # ties go to the lower place, as in `accuracy`
            top = each.gather(-1, place.unsqueeze(-1))
            confidence = 1 / ((each - top) * self.temperature).exp().sum(-1)
            guess = classes.gather(1, place)
            right = guess == truth
            total += right
            pairs = torch.bincount((truth * self.n_classes + guess).view(-1), minlength=self.n_classes**2)
            self.confusion += pairs.cpu().numpy()
            self.confidence.append(confidence.float().cpu().numpy().ravel())
            self.right.append(right.cpu().numpy().ravel())
        self.correct.append((total / len(scores)).cpu().numpy())

    def outcome(self, tasks: Episodes) -> Outcome:
        """What was collected over all of `tasks`."""
        correct = np.concatenate(self.correct)
        images = tasks.query.reshape(-1)
        return Outcome(
            accuracy=correct.mean(1, dtype=np.float64),
            correct=correct,
            confusion=self.confusion.reshape(self.n_classes, self.n_classes),
            image_correct=np.bincount(images, correct.ravel(), self.n_images).astype(np.float64),
            image_shown=np.bincount(images, minlength=self.n_images),
            ece=ece(np.concatenate(self.confidence), np.concatenate(self.right)),
        )
