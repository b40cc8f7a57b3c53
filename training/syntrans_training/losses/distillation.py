"""From CLIP to a few-shot encoder without labels: what the student's projected features are asked to agree on.

Derived, docs/method.md (12) to (14), for SynTrans's own equations are not public. Over class vectors `assignment_loss`
is that of Li et al., "PromptKD: Unsupervised Prompt Distillation for Vision-Language Models" (CVPR 2024), up to its
weight. Rows are unit vectors in the teacher's space; the teacher's are targets and
get no gradient.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def assignment_loss(
    *,
    student: Float[Tensor, "b d"],
    teacher: Float[Tensor, "b d"],
    anchors: Float[Tensor, "m d"],
    scale: float = 100.0,
    temperature: float = 4.0,
) -> Float[Tensor, ""]:
    """T^2 KL(teacher || student), the mean over pictures, of how strongly each picture is drawn to each anchor text.

    Derived, docs/method.md (12), with an anchor bank in place of the class vectors.

    Args:
        student: projected features, unit rows.
        teacher: the teacher's features of the same pictures, unit rows.
        anchors: unit vectors of texts, by the teacher's own text tower.
        scale: of the teacher's cosines, exp of CLIP's logit scale.
        temperature: T (tau); softens both distributions.
    """
    return _soft_kl(scale * student @ anchors.T, scale * teacher @ anchors.T, temperature)


def relation_loss(
    *,
    student: Float[Tensor, "b d"],
    teacher: Float[Tensor, "b e"],
    student_all: Float[Tensor, "n d"] | None = None,
    teacher_all: Float[Tensor, "n e"] | None = None,
    first: int = 0,
    temperature: float = 0.1,
) -> Float[Tensor, ""]:
    """KL(teacher || student), the mean over rows, of which other pictures of the batch a picture is like; no text.

    Derived, docs/method.md (13): softmax of cosines / temperature over the batch, the picture itself
    left out. Needs three pictures: with two there is nothing to choose between.

    Args:
        student: unit rows, in any space.
        teacher: unit rows of the same pictures.
        student_all: rows of the whole batch, where `student` is only a part of it; default: `student`.
        teacher_all: the same of the teacher.
        first: place of the part's first row in the whole batch.
        temperature: of both softmaxes.
    """
    others = [student, teacher] if student_all is None or teacher_all is None else [student_all, teacher_all]
    places = torch.arange(len(others[0]), device=student.device)
    kept = places != places[first : first + len(student), None]
    # The picture's own column is cut out, not set to -inf: a KL has no 0 * inf in it then.
    of_student, of_teacher = (
        (z @ other.T / temperature)[kept].view(len(student), -1)
        for z, other in zip((student, teacher), others, strict=True)
    )
    return _soft_kl(of_student, of_teacher, 1.0)


def feature_loss(*, student: Float[Tensor, "b d"], teacher: Float[Tensor, "b d"]) -> Float[Tensor, ""]:
    """The mean of 1 - cosine of unit rows. Derived, docs/method.md (14)."""
    return 1 - (student * teacher).sum(1).mean()


def _soft_kl(student: Float[Tensor, "b c"], teacher: Float[Tensor, "b c"], temperature: float) -> Float[Tensor, ""]:
    kl = F.kl_div(
        F.log_softmax(student / temperature, dim=1),
        F.log_softmax(teacher.detach() / temperature, dim=1),
        reduction="batchmean",
        log_target=True,
    )
    return temperature**2 * kl
