"""CMKD: a teacher that sees pictures and class knowledge, then a student of pictures alone that keeps its relations.

Zhao et al., "Cross-modal knowledge distillation for fine-grained one-shot classification" (ICASSP 2021). Both are
trained on tasks of the base classes, as prototypical networks (Snell et al., arXiv 1703.05175): the teacher with the
mirror losses of `encoder/cmkd_teacher.py`, the student with `srl` times a spatial relation loss on all pictures of a
task.

A task is drawn inside a step from the loop's generator and from nothing else, so students of any teacher, and a student
of none, see the same tasks and views. Which pictures the teacher looks at: the student's views where it brings an
encoder of its own, or features of the whole pictures from a table, which cost nothing in a step.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from syntrans_training.backbones import Encoder, place
from syntrans_training.data.augment import Pictures
from syntrans_training.encoder.cmkd_teacher import MirrorTeacher, Taught
from syntrans_training.episodes.class_index import ClassIndex, query_labels
from syntrans_training.losses.spatial_relation import distance_relation, prototype_relation, soft_relation

Relation = Literal["soft", "distance", "prototype"]
# what the teacher sees of pictures: their views [b 3 h w] and numbers [b] -> features [b h]
TeacherBackbone = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class TaskShape:
    """N ways, K shots, Q queries a class, and how many such tasks make a step."""

    ways: int = 5
    shots: int = 1
    queries: int = 15
    tasks: int = 1

    @property
    def images(self) -> int:
        """Pictures of one task."""
        return self.ways * (self.shots + self.queries)


class BaseTasks:
    """Draws tasks from labels [n]: pictures by class, the supports of a class first.

    Raises `ValueError` when a class or the set of classes is too small.
    """

    def __init__(self, labels: Int[Tensor, " n"], shape: TaskShape) -> None:
        self.shape, self.index = shape, ClassIndex(labels)
        if self.index.n_classes < shape.ways or self.index.fewest < shape.shots + shape.queries:
            raise ValueError(
                f"{shape.ways}-way tasks of {shape.shots + shape.queries} pictures a class need as many classes and "
                f"pictures; there are {self.index.n_classes} classes, the smallest of {self.index.fewest} pictures"
            )

    def draw(self, generator: torch.Generator) -> tuple[Int[Tensor, "t n"], Int[Tensor, "t n i"]]:
        """Class numbers and picture numbers (i = K + Q) of the tasks of a step."""
        shape = self.shape
        classes = self.index.draw_classes(shape.tasks, generator)[:, : shape.ways]
        return classes, self.index.draw_images(classes, shape.shots + shape.queries, generator)


class _Episodic:
    """The tasks of one process: their views, picture numbers, classes and the places of their queries' classes."""

    def __init__(self, pictures: Pictures, shape: TaskShape, steps: int) -> None:
        self.pictures, self.shape = pictures, shape
        self.tasks = BaseTasks(pictures.labels, shape)
        self.n_items = steps * shape.tasks * shape.images  # the loop counts pictures

    def draw(self, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Views [t*n*i, 3, s, s], picture numbers [t*n*i] and classes [t, n] of this process's tasks."""
        classes, images = self.tasks.draw(generator)
        views, _ = self.pictures.batch(images.flatten(), generator)
        rank, count = self.pictures.shard
        part = self.shape.tasks // count
        mine = slice(rank * part, (rank + 1) * part)
        return views, images[mine].flatten(), classes[mine]

    def split(self, features: Float[Tensor, "b h"]) -> tuple[Float[Tensor, "t n k h"], Float[Tensor, "t m h"]]:
        """Supports and queries of features in the order of `draw`; queries by class."""
        shape = self.shape
        by_class = features.float().reshape(-1, shape.ways, shape.shots + shape.queries, features.shape[-1])
        return by_class[:, :, : shape.shots], by_class[:, :, shape.shots :].flatten(1, 2)

    def labels(self, tasks: int) -> Int[Tensor, "t m"]:
        """Places of the queries' classes."""
        of_one_task = query_labels(self.shape.ways, self.shape.queries, device=self.pictures.device)
        return of_one_task.expand(tasks, -1)


class CMKDTeacher:
    """Trains `teacher` and, where it brings one, `encoder`; `knowledge` [C, s] are the base classes' vectors.

    Zhao et al. (ICASSP 2021; abstract read), docs/method.md (15); `mirror` weighs the mirror losses.
    Without an `encoder` it sees by `table` [n, h]: a frozen encoder's features of all pictures.
    """

    def __init__(
        self,
        teacher: MirrorTeacher,
        pictures: Pictures,
        knowledge: Float[Tensor, "c s"],
        shape: TaskShape,
        *,
        steps: int,
        encoder: Encoder | None = None,
        table: Float[Tensor, "n h"] | None = None,
        mirror: float = 1.0,
    ) -> None:
        self.episodic, self.n_items, self.mirror = _Episodic(pictures, shape, steps), 0, mirror
        self.n_items = self.episodic.n_items
        self.teacher, self.knowledge = teacher, knowledge.to(pictures.device)
        parts: dict[str, nn.Module] = {"teacher": teacher} | ({"encoder": encoder} if encoder else {})
        self.module: nn.Module = place(nn.ModuleDict(parts), pictures.device)
        self.teacher_backbone = teacher_backbone(encoder, table, pictures.device)

    def losses(self, items: Int[Tensor, " b"], generator: torch.Generator) -> dict[str, Tensor]:  # noqa: ARG002 - tasks are drawn
        """Cross-entropy of the queries, and the mirror losses."""
        views, images, classes = self.episodic.draw(generator)
        support, query = self.episodic.split(self.teacher_backbone(views, images))
        with torch.autocast(views.device.type, enabled=False):
            taught = self.teacher(support, query, self.knowledge[classes.to(self.knowledge.device)])
            labels = self.episodic.labels(len(classes))
            return {
                "episode": F.cross_entropy(self.teacher.logits(taught).flatten(0, 1), labels.flatten()),
                "mirror": self.mirror * self.teacher.mirror_loss(taught, labels),
            }


@dataclass(frozen=True)
class MirrorTeaching:
    """A trained teacher for a student: frozen, with its backbone and the knowledge [C, s] of the base classes."""

    teacher: MirrorTeacher
    teacher_backbone: TeacherBackbone
    knowledge: Float[Tensor, "c s"]
    srl: float = 1.0
    relation: Relation = "soft"
    temperature: float = 0.5
    queries_told: bool = False  # the classes of the queries too, which the teacher predicts otherwise


class CMKDStudent:
    """Trains `encoder` on pictures: cross-entropy of its tasks, and the relations of a teaching where there is one.

    Zhao et al. (ICASSP 2021; abstract read), docs/method.md (16) and (17).
    The teaching is no part of `module`: nothing trains, saves or switches it out of evaluation mode.
    """

    def __init__(
        self,
        encoder: Encoder,
        pictures: Pictures,
        shape: TaskShape,
        *,
        steps: int,
        teaching: MirrorTeaching | None = None,
    ) -> None:
        self.episodic = _Episodic(pictures, shape, steps)
        self.n_items, self.encoder, self.teaching = self.episodic.n_items, encoder, teaching
        self.module: nn.Module = place(nn.ModuleDict({"encoder": encoder}), pictures.device)

    def losses(self, items: Int[Tensor, " b"], generator: torch.Generator) -> dict[str, Tensor]:  # noqa: ARG002 - tasks are drawn
        """Cross-entropy of the queries by squared distance to prototypes, and `srl` times the relation loss."""
        views, images, classes = self.episodic.draw(generator)
        features = self.encoder(views)
        with torch.autocast(views.device.type, enabled=False):
            support, query = self.episodic.split(features)
            gap = query.unsqueeze(2) - support.mean(2).unsqueeze(1)
            labels = self.episodic.labels(len(classes))
            named = {"episode": F.cross_entropy(-gap.square().sum(-1).flatten(0, 1), labels.flatten())}
            if self.teaching:
                taught = self._taught(self.teaching, views, images, classes)
                named["relation"] = self.teaching.srl * relation_loss(self.teaching, support, query, taught)
        return named

    @torch.no_grad()
    def _taught(self, teaching: MirrorTeaching, views: Tensor, images: Tensor, classes: Tensor) -> Taught:
        knowledge = teaching.knowledge.to(views.device)[classes.to(views.device)]
        seen = self.episodic.split(teaching.teacher_backbone(views, images))
        answer: Taught = (teaching.teacher.told if teaching.queries_told else teaching.teacher)(*seen, knowledge)
        return answer


def relation_loss(
    teaching: MirrorTeaching, support: Float[Tensor, "t n k h"], query: Float[Tensor, "t m h"], taught: Taught
) -> Float[Tensor, ""]:
    """The teaching's spatial relation loss of a student's supports and queries."""
    if teaching.relation == "prototype":
        return prototype_relation(
            student=(query, support.mean(2)),
            teacher=(taught.query, taught.prototypes),
            temperature=teaching.temperature,
        )
    student = torch.cat([support.flatten(1, 2), query], 1)
    teacher = torch.cat([taught.support.flatten(1, 2), taught.query], 1)
    if teaching.relation == "distance":
        return distance_relation(student=student, teacher=teacher)
    return soft_relation(student=student, teacher=teacher, temperature=teaching.temperature)


def teacher_backbone(
    encoder: Encoder | None, table: Float[Tensor, "n h"] | None, device: torch.device
) -> TeacherBackbone:
    """What a teacher sees: the views through `encoder`, or rows of `table`."""
    if encoder is not None:
        return lambda views, _: encoder(views)
    if table is None:
        raise ValueError("a teacher needs an encoder or a table of features to see with")
    rows = table.to(device)
    return lambda _, images: rows[images.to(device)]
