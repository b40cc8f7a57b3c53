"""Heads that are trained on frozen base features: few-shot tasks of base classes that play novel ones.

Task number i is drawn from (seed, i), so a head trained again ends in the same weights. Besides a task's queries come
as many of the base classes that were left in memory, where a head asks for them (Gidaris and Komodakis, CVPR 2018).
"""

import copy
from collections.abc import Callable, Collection
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from syntrans_training.class_index import ClassIndex, query_labels
from syntrans_training.modules.attention import AttentionGenerator
from syntrans_training.modules.gate import Gate
from syntrans_training.modules.semalign import SemAlign


@dataclass(frozen=True)
class Batch:
    """B tasks: supports, queries ordered by class, the classes' numbers, and queries of the other base classes."""

    support: Float[Tensor, "b n k d"]
    query: Float[Tensor, "b m d"]
    classes: Int[Tensor, "b n"]
    others: Float[Tensor, "b o d"]
    other_classes: Int[Tensor, "b o"]


class FakeNovel:
    """Draws batches of N-way K-shot tasks from base features [n, d] with labels [n]; `others`: see Batch."""

    def __init__(
        self,
        features: Tensor,
        labels: Tensor,
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

    def draw(self, step: int, playing: Bool[Tensor, " c"] | None = None) -> Batch:
        """The batch of a step, the same whenever it is asked for; novel ones are played by `playing`, or by any."""
        generator = torch.Generator().manual_seed((self.seed * 1_000_003 + step) % 2**63)
        order = self.index.draw_classes(self.batch, generator, first=None if playing is None else playing.float())
        classes, rest = order[:, : self.ways], order[:, self.ways :]
        images = self.index.draw_images(classes, self.shots + self.queries, generator)
        m = self.ways * self.queries * self.others
        places = torch.randint(rest.shape[1], (self.batch, m), generator=generator)
        other_classes = rest.gather(1, places)
        others = self.index.draw_images(other_classes, 1, generator).squeeze(-1)
        return Batch(
            support=self.features[images[:, :, : self.shots]],
            query=self.features[images[:, :, self.shots :].flatten(1)],
            classes=classes,
            others=self.features[others],
            other_classes=other_classes,
        )


def attention_loss(generator: AttentionGenerator, batch: Batch) -> Tensor:
    """Cross-entropy over the fake-novel classes and the base classes left in memory, queries of both."""
    e, n = batch.classes.shape
    absent = torch.zeros(e, len(generator.base), dtype=torch.bool).scatter(1, batch.classes, value=True)
    novel = generator(batch.support, absent)
    query = torch.cat([batch.query, batch.others], 1)
    remembered = generator.logits(query, generator.base.expand(e, -1, -1))
    logits = torch.cat([generator.logits(query, novel), remembered.masked_fill(absent[:, None], float("-inf"))], -1)
    own = query_labels(n, batch.query.shape[1] // n).expand(e, -1)
    return F.cross_entropy(logits.flatten(0, 1), torch.cat([own, batch.other_classes + n], 1).flatten())


def gate_loss(gate: Gate, batch: Batch, text: Float[Tensor, "c s"]) -> Tensor:
    """Cross-entropy over the task's classes, of squared distances to the mixed prototypes."""
    unit = F.normalize(F.normalize(batch.support, dim=-1).mean(2), dim=-1)
    mixed = gate(unit, text[batch.classes])
    logits = -gate.scale * torch.cdist(batch.query, mixed).square()
    n = mixed.shape[1]
    own = query_labels(n, batch.query.shape[1] // n).repeat(len(mixed))
    return F.cross_entropy(logits.flatten(0, 1), own)


def alignment_loss(
    network: SemAlign,
    features: Float[Tensor, "b d"],
    labels: Int[Tensor, " b"],
    text: Float[Tensor, "c s"],
    centres: Float[Tensor, "c d"],
) -> Tensor:
    """L1 between the reconstructed and the true centre of each feature's class."""
    return F.l1_loss(network(text[labels], features), centres[labels])


def fit(
    module: nn.Module,
    loss: Callable[[int], Tensor],
    *,
    steps: int,
    lr: float,
    looks: int,
    validate: Callable[[], float],
    slow: Collection[str] = (),
) -> tuple[int, float]:
    """Adam with a cosine schedule on `loss(step)`; the module ends with the weights of its best look at val.

    Parts named in `slow` learn at a tenth of the rate.

    `validate` is asked before the first step and `looks` times after, evenly spread: a head that val finds no better
    for its training stays as it began. Returns the step kept and its val accuracy.
    """
    groups: dict[bool, list[nn.Parameter]] = {False: [], True: []}
    for name, parameter in module.named_parameters():
        groups[name.split(".")[0] in slow].append(parameter)
    optimizer = torch.optim.Adam([{"params": of, "lr": lr / 10 if late else lr} for late, of in groups.items() if of])
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    best, kept = (0, -1.0), module.state_dict()
    every = max(1, steps // looks)
    for step in range(steps + 1):
        if step:
            module.train()
            optimizer.zero_grad()
            loss(step).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
        if step % every == 0 or step == steps:
            module.eval()
            accuracy = validate()
            if accuracy > best[1]:
                best, kept = (step, accuracy), copy.deepcopy(module.state_dict())
    module.load_state_dict(kept)
    module.eval()
    return best
