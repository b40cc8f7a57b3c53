"""A frozen CLIP teaches the encoder without labels: SynTrans's unsupervised proxy task.

Derived, docs/method.md (12) to (14): the paper's own equations are not public.

Each term stands on its own weight, and one of weight 0 is not computed:
    text      which anchor texts a picture is drawn to, as the teacher sees it
    relation  which other pictures of the batch it is like; no text
    feature   where it lies in the teacher's space; no text
    cross_entropy  the class labels, with a head on the encoder's features; 0 unless asked for: then no label is read
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from syntrans_training.backbones import Encoder, place
from syntrans_training.data.augment import Pictures, StoredCrops
from syntrans_training.losses.distillation import assignment_loss, feature_loss, relation_loss
from syntrans_training.modules.projector import Projector


@dataclass(frozen=True)
class TeacherTargets:
    """What the teacher said, once: of the stored crops of n pictures, and of texts.

    `features` [n, views, e] and `anchors` [m, e] are unit rows; anchors are needed where the term `text` has a weight.
    `scale` is exp of the teacher's logit scale.
    """

    crops: StoredCrops
    features: Float[Tensor, "n v e"]
    anchors: Float[Tensor, "m e"] | None = None
    scale: float = 100.0


@dataclass(frozen=True)
class Terms:
    """Weights of the terms, and the temperatures of `text` (tau) and `relation`."""

    text: float = 1.0
    relation: float = 1.0
    feature: float = 0.5
    cross_entropy: float = 0.0
    tau: float = 4.0
    relation_temperature: float = 0.1


class ClipDistill:
    """Encoder and projector; the teacher itself is not needed any more.

    The unsupervised proxy task of SynTrans (Tang, He, Qin, IJCAI 2025, https://arxiv.org/abs/2510.11115); derived,
    docs/method.md (12) to (14).

    Args:
        encoder: the student.
        projector: from its features to the teacher's space.
        pictures: the base pictures; the colours of the student's crops change as `pictures.view` says.
        taught: what it is to agree with.
        terms: and how much.
        head: of the term `cross_entropy`; needed where that has a weight.
        gather: gives the rows of all processes that share a batch; default: there is one.
    """

    def __init__(
        self,
        encoder: Encoder,
        projector: Projector,
        pictures: Pictures,
        taught: TeacherTargets,
        terms: Terms,
        *,
        head: nn.Linear | None = None,
        gather: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        if terms.text and taught.anchors is None:
            raise ValueError("the term `text` needs anchors")
        if terms.cross_entropy and head is None:
            raise ValueError("the term `cross_entropy` needs a head")
        self.pictures, self.taught, self.terms, self.n_items = pictures, taught, terms, len(pictures)
        self.encoder, self.projector = encoder, projector
        self.head = head if terms.cross_entropy else None
        self.anchors = None if taught.anchors is None else taught.anchors.to(pictures.device)
        self.gather = gather or (lambda rows: rows)
        parts: dict[str, nn.Module] = {"encoder": encoder, "projector": projector}
        if self.head is not None:
            parts["head"] = self.head
        self.module: nn.Module = place(nn.ModuleDict(parts), pictures.device)

    def losses(self, items: Int[Tensor, " b"], generator: torch.Generator) -> dict[str, Tensor]:
        """The weighted terms, of a stored crop of each of the pictures numbered `items`."""
        device = self.pictures.device
        views, labels, which = self.pictures.stored(items, self.taught.crops, generator)
        features = self.encoder(views)
        student = self.projector(features)
        logits = None if self.head is None else self.head(features).float()
        teacher = F.normalize(self.taught.features[items, which].to(device).float(), dim=1)
        with torch.autocast(device.type, enabled=False):  # cosines times 100 need all their digits
            named = self._agreement(student, teacher)
        if logits is not None:
            named["cross_entropy"] = self.terms.cross_entropy * F.cross_entropy(logits, labels)
        return named

    def _agreement(self, student: Tensor, whole: Tensor) -> dict[str, Tensor]:
        """The label-free terms of this process's rows; `whole` are the teacher's of the whole batch."""
        rows, terms = self.pictures.rows(len(whole)), self.terms
        teacher, named = whole[rows], {}
        if terms.text and self.anchors is not None:
            named["text"] = terms.text * assignment_loss(
                student=student, teacher=teacher, anchors=self.anchors, scale=self.taught.scale, temperature=terms.tau
            )
        if terms.relation:
            named["relation"] = terms.relation * relation_loss(
                student=student,
                teacher=teacher,
                student_all=self.gather(student),
                teacher_all=whole,
                first=rows.start,
                temperature=terms.relation_temperature,
            )
        if terms.feature:
            named["feature"] = terms.feature * feature_loss(student=student, teacher=teacher)
        return named
