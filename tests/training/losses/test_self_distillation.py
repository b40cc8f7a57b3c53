from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from syntrans_training.losses.rotation import four_rotations, gen0_loss
from syntrans_training.losses.self_distillation import gen1_loss

DTYPES = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])


def tensors(values, dtype):
    """Arrays of a recorded case as tensors: floats in `dtype`, whole numbers as they are."""
    arrays = {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in values.items()}
    return {name: t.to(dtype) if t.is_floating_point() else t for name, t in arrays.items()}


def outputs(case, dtype):
    return case["outputs"][str(dtype).removeprefix("torch.")]


def close(actual, expected) -> None:
    np.testing.assert_allclose(actual.detach().numpy(), expected, atol=1e-5, rtol=0)


def test_rotations_are_the_authors_own(reference: Callable[[str], dict[str, Any]]) -> None:
    case = reference("skd_gen0")["cases"][1]
    turned = four_rotations(torch.from_numpy(case["inputs"]["images"]))
    assert np.array_equal(turned.numpy(), case["outputs"]["float32"]["generated_data"])


@DTYPES
def test_generation_0_and_its_gradients_are_the_authors_own(reference: Callable[[str], dict[str, Any]], dtype) -> None:
    case = reference("skd_gen0")["cases"][0]
    given, expected = tensors(case["inputs"], dtype), outputs(case, dtype)
    logits, rotation_logits = (given[name].requires_grad_() for name in ("logits", "rot_logits"))
    loss = gen0_loss(labels=given["labels"], logits=logits, rotation_logits=rotation_logits, gamma=2.0)
    total = sum(loss.values())
    total.backward()
    close(loss["cross_entropy"], expected["loss_ce"])
    close(loss["rotation"] / 2.0, expected["loss_ss"])
    close(total, expected["loss_total"])
    close(logits.grad, expected["grad_logits"])
    close(rotation_logits.grad, expected["grad_rot_logits"])


@DTYPES
def test_the_rotation_head_reads_the_class_logits(reference: Callable[[str], dict[str, Any]], dtype) -> None:
    case = reference("skd_gen0")["cases"][2]
    given, weights = tensors(case["inputs"], dtype), tensors(case["weights"], dtype)
    head = [weights[f"classifier_{part}"].requires_grad_() for part in ("weight", "bias")]
    rotation_head = [weights[f"rot_classifier_{part}"].requires_grad_() for part in ("weight", "bias")]
    logits = torch.nn.functional.linear(four_rotations(given["images"]).flatten(1), *head)
    rotation_logits = torch.nn.functional.linear(logits, *rotation_head)
    total = sum(gen0_loss(labels=given["labels"], logits=logits, rotation_logits=rotation_logits).values())
    total.backward()
    expected = outputs(case, dtype)
    close(total, expected["loss_total"])
    close(head[0].grad, expected["grad_classifier_weight"])
    close(rotation_head[0].grad, expected["grad_rot_classifier_weight"])


@DTYPES
@pytest.mark.parametrize("number", [0, 2])  # the single twin, as published, with T = 2 and T = 4
def test_generation_1_and_its_gradient_are_the_authors_own(
    reference: Callable[[str], dict[str, Any]], number: int, dtype
) -> None:
    case = reference("skd_gen1")["cases"][number]
    given, expected = tensors(case["inputs"], dtype), outputs(case, dtype)
    logits = given["student_logits_4B"].requires_grad_()
    student, twin, *_ = logits.split(6)
    loss = gen1_loss(
        student=student,
        twin=twin,
        teacher=given["teacher_logits_B"],
        temperature=float(case["hyper"]["T"]),
        gamma=case["hyper"]["gamma"],
    )
    total = sum(loss.values())
    total.backward()
    close(loss["distillation"], expected["loss_kd"])
    close(loss["twin"] * 3 / case["hyper"]["gamma"], expected["loss_twin"])
    close(total, expected["loss_total"])
    close(logits.grad, expected["grad_student_logits"])


def test_equal_twins_have_a_gradient() -> None:
    logits = torch.ones(2, 3, requires_grad=True)
    loss = gen1_loss(student=logits, twin=logits * 1.0, teacher=torch.ones(2, 3))
    sum(loss.values()).backward()
    assert [value.item() for value in loss.values()] == [0.0, 0.0]
    assert logits.grad.abs().max() < 1e-6
