"""Generation 0 of SKD learns the class in every orientation, and the orientation from the class logits."""

import math

import pytest
import torch
import torch.nn.functional as F

from syntrans_training.losses.rotation import four_rotations, gen0_loss

LABELS = torch.tensor([0, 2])


def test_four_turns_are_the_picture_again() -> None:
    images = torch.rand(2, 3, 5, 5)
    turned = four_rotations(images).view(4, 2, 3, 5, 5)
    again = torch.rot90(turned[3], 1, (2, 3))
    assert torch.equal(again, images)
    assert torch.equal(turned[2], images.flip(2, 3))


def test_a_network_that_knows_both_answers_has_no_loss() -> None:
    logits = 100.0 * F.one_hot(LABELS, 3).repeat(4, 1).float()
    orientation = 100.0 * (2 * F.one_hot(torch.arange(4).repeat_interleave(2), 4).float() - 1)
    losses = gen0_loss(labels=LABELS, logits=logits, rotation_logits=orientation)
    assert [losses[name].item() for name in ("cross_entropy", "rotation")] == pytest.approx([0, 0], abs=1e-12)


def test_a_network_that_knows_nothing_has_the_entropy_of_a_guess() -> None:
    losses = gen0_loss(labels=LABELS, logits=torch.zeros(8, 3), rotation_logits=torch.zeros(8, 4), gamma=2.0)
    assert losses["cross_entropy"].item() == pytest.approx(math.log(3))
    assert losses["rotation"].item() == pytest.approx(2 * math.log(2))


def test_the_rotation_loss_grows_with_its_weight() -> None:
    rotation_logits = torch.randn(8, 4, generator=torch.Generator().manual_seed(0))
    one, three = (
        gen0_loss(labels=LABELS, logits=torch.zeros(8, 3), rotation_logits=rotation_logits, gamma=gamma)["rotation"]
        for gamma in (1.0, 3.0)
    )
    assert three.item() == pytest.approx(3 * one.item())


def test_rows_are_taken_in_the_order_of_the_rotations() -> None:
    in_order = 10.0 * F.one_hot(torch.arange(4).repeat_interleave(2), 4).float()
    by_picture = in_order.view(4, 2, 4).transpose(0, 1).flatten(0, 1)
    right, wrong = (
        gen0_loss(labels=LABELS, logits=torch.zeros(8, 3), rotation_logits=rows)["rotation"].item()
        for rows in (in_order, by_picture)
    )
    assert right < wrong
