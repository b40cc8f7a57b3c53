"""Losses of distillation from CLIP: PromptKD as its authors compute it, ours over anchors, relations and features."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from syntrans_training.losses.distillation import assignment_loss, feature_loss, relation_loss
from syntrans_training.modules.projector import Projector

DTYPES = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])


def unit(*shape, seed=0):
    return F.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=1)


def recorded(values, dtype):
    return {name: torch.from_numpy(np.ascontiguousarray(value)).to(dtype) for name, value in values.items()}


@DTYPES
@pytest.mark.parametrize("number", range(4))  # T = 1 and 2, BatchNorm in evaluation and in training
def test_promptkd_and_its_projector_are_the_authors_own(
    reference: Callable[[str], dict[str, Any]], number: int, dtype
) -> None:
    item = reference("promptkd")
    case, given = item["cases"][number], recorded(item["inputs_shared"], dtype)
    expected, weights = case["outputs"][str(dtype).removeprefix("torch.")], recorded(item["weights_shared"], dtype)
    projector = Projector(12, 16).to(dtype).train(case["hyper"]["bn_training"])
    first, norm, _, second = projector.layers.children()
    for module, part, name in [
        (first, "weight", "proj_w1"),
        (first, "bias", "proj_b1"),
        (norm, "weight", "bn_gamma"),
        (norm, "bias", "bn_beta"),
        (norm, "running_mean", "bn_running_mean"),
        (norm, "running_var", "bn_running_var"),
        (second, "weight", "proj_w2"),
        (second, "bias", "proj_b2"),
    ]:
        getattr(module, part).data.copy_(weights[name])
    teacher, text = (F.normalize(given[f"teacher_{kind}_features_raw"], dim=1) for kind in ("image", "text"))
    student = projector(given["student_image_features_raw"])
    ours = assignment_loss(student=student, teacher=teacher, anchors=text, temperature=case["hyper"]["T"])
    loss = 1000 / len(text) * ours  # they divide by all logits, ours by pictures
    np.testing.assert_allclose(student.detach().numpy(), expected["student_image_unit"], atol=1e-5)
    assert loss.item() / 1000 == pytest.approx(expected["L_kd_unweighted"], abs=1e-5)
    assert loss.item() == pytest.approx(expected["loss"], rel=1e-6)
    if "grads" in expected:
        loss.backward()
        for module, name in [(first, "proj_w1"), (second, "proj_w2"), (norm, "bn_gamma")]:
            np.testing.assert_allclose(module.get_parameter("weight").grad.numpy(), expected["grads"][name], atol=1e-5)


def test_a_student_that_equals_its_teacher_has_nothing_to_learn() -> None:
    rows, anchors = unit(6, 8).requires_grad_(), unit(20, 8, seed=1)
    losses = [
        assignment_loss(student=rows, teacher=rows.detach(), anchors=anchors),
        relation_loss(student=rows, teacher=rows.detach()),
        feature_loss(student=rows, teacher=rows.detach()),
    ]
    assert [loss.item() for loss in losses] == pytest.approx([0, 0, 0], abs=1e-6)
    other = unit(6, 8, seed=2)
    assert assignment_loss(student=other, teacher=rows, anchors=anchors) > 1
    assert relation_loss(student=other, teacher=rows) > 0.1
    assert feature_loss(student=other, teacher=rows) > 0.1


def test_relations_are_those_of_the_softmax_over_the_others() -> None:
    student, teacher = unit(4, 3), unit(4, 5, seed=1)
    expected = 0.0
    for i in range(4):
        others = [j for j in range(4) if j != i]
        p, q = (torch.softmax(rows[others] @ rows[i] / 0.1, 0) for rows in (teacher, student))
        expected += (p * (p / q).log()).sum().item() / 4
    assert relation_loss(student=student, teacher=teacher).item() == pytest.approx(expected, rel=1e-4)


def test_relations_do_not_care_how_the_space_is_turned() -> None:
    student, teacher = unit(6, 8), unit(6, 8, seed=1)
    turn, _ = torch.linalg.qr(torch.randn(8, 8, generator=torch.Generator().manual_seed(3)))
    losses = [relation_loss(student=rows, teacher=teacher).item() for rows in (student, student @ turn)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_relations_of_the_parts_of_a_batch_are_those_of_the_whole() -> None:
    student, teacher = unit(6, 8), unit(6, 8, seed=1)
    whole = {"student_all": student, "teacher_all": teacher}
    parts = [relation_loss(student=student[i : i + 3], teacher=teacher[i : i + 3], first=i, **whole) for i in (0, 3)]
    assert sum(parts).item() / 2 == pytest.approx(relation_loss(student=student, teacher=teacher).item(), rel=1e-5)
