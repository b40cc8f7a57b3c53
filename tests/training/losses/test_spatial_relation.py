from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from syntrans_training.losses.spatial_relation import distance_relation, prototype_relation, soft_relation

LOSSES = pytest.mark.parametrize("loss", [soft_relation, distance_relation], ids=["soft", "distance"])
DTYPES = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])


def sets(*shapes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(*shape, generator=generator, dtype=torch.float64) for shape in shapes]


def rotation(d, seed=3):
    return torch.linalg.qr(sets((d, d), seed=seed)[0]).Q


@DTYPES
@pytest.mark.parametrize("number", [0, 1, 2], ids=["batch", "duplicates", "feature maps"])
def test_the_distance_form_and_its_gradient_are_the_published_ones(
    reference: Callable[[str], dict[str, Any]], number: int, dtype
) -> None:
    case = reference("rkd")["cases"][number]
    student, teacher = (
        torch.from_numpy(case["inputs"][side]).to(dtype).flatten(1).clone() for side in ("student", "teacher")
    )
    loss = distance_relation(student=student.requires_grad_(), teacher=teacher)
    loss.backward()
    expected = case["outputs"]["float64"]
    assert loss.item() == pytest.approx(expected["loss_distance"], abs=1e-5)
    if "grad_student_distance" in expected:
        gradient = expected["grad_student_distance"].reshape(student.shape)
        np.testing.assert_allclose(student.grad.numpy(), gradient, atol=1e-5, rtol=0)


@LOSSES
def test_a_student_that_is_its_teacher_loses_nothing(loss) -> None:
    x, y = sets((8, 5), (8, 5))
    assert loss(student=x, teacher=x.clone()).item() == pytest.approx(0, abs=1e-12)
    assert loss(student=x, teacher=y).item() > 1e-3


@LOSSES
def test_neither_rotation_nor_scale_of_either_space_counts(loss) -> None:
    student, teacher = sets((3, 8, 5), (3, 8, 7))
    expected = loss(student=student, teacher=teacher)
    turned = loss(student=4 * student @ rotation(5) + 2, teacher=0.1 * teacher @ rotation(7) - 1)
    torch.testing.assert_close(turned, expected, atol=1e-12, rtol=1e-9)


@LOSSES
def test_tasks_are_compared_one_by_one(loss) -> None:
    student, teacher = sets((3, 8, 5), (3, 8, 7))
    alone = [loss(student=s, teacher=t) for s, t in zip(student, teacher, strict=True)]
    torch.testing.assert_close(loss(student=student, teacher=teacher), torch.stack(alone).mean())


@LOSSES
def test_only_the_student_is_taught(loss) -> None:
    student, teacher = (x.requires_grad_() for x in sets((8, 5), (8, 7)))
    loss(student=student, teacher=teacher).backward()
    assert teacher.grad is None
    assert student.grad.abs().max() > 0


@LOSSES
def test_equal_samples_have_a_gradient(loss) -> None:
    student, teacher = sets((6, 5), (6, 7))
    student[1] = student[0]
    loss(student=student.requires_grad_(), teacher=teacher).backward()
    assert student.grad.isfinite().all()


def test_the_soft_target_is_the_formula() -> None:
    student, teacher = (x.numpy() for x in sets((5, 3), (5, 4)))

    def rows(x):
        gaps = np.linalg.norm(x[:, None] - x[None], axis=-1)
        gaps /= gaps[~np.eye(5, dtype=bool)].mean()
        weights = np.exp(-gaps / 0.7) * ~np.eye(5, dtype=bool)
        return weights / weights.sum(1, keepdims=True)

    p, q = rows(teacher), rows(student)
    off = ~np.eye(5, dtype=bool)
    expected = 0.7**2 / 5 * (p[off] * np.log(p[off] / q[off])).sum()
    loss = soft_relation(student=torch.from_numpy(student), teacher=torch.from_numpy(teacher), temperature=0.7)
    assert loss.item() == pytest.approx(expected, rel=1e-9)


def test_queries_and_prototypes_keep_their_relation_whatever_the_space() -> None:
    queries, prototypes, of_teacher, its_prototypes = sets((2, 6, 4), (2, 3, 4), (2, 6, 9), (2, 3, 9))
    teacher = (of_teacher, its_prototypes)
    loss = prototype_relation(student=(queries, prototypes), teacher=teacher)
    turned = prototype_relation(
        student=tuple(5 * x @ rotation(4) + 1 for x in (queries, prototypes)),
        teacher=tuple(x @ rotation(9) / 2 for x in teacher),
    )
    torch.testing.assert_close(loss, turned, atol=1e-12, rtol=1e-9)
    assert loss.item() > 1e-3
    assert prototype_relation(student=teacher, teacher=teacher).item() == pytest.approx(0, abs=1e-12)
