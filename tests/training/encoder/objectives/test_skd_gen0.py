"""Generation 0 of SKD: cross-entropy and the rotation of a picture."""

import torch
from still_pictures import encoder, losses, pictures

from syntrans_training.encoder.objectives.skd_gen0 import SKDGen0


def test_generation_0_sees_every_picture_in_four_orientations() -> None:
    seen = []
    task = SKDGen0(encoder(), pictures(), n_classes=3)
    task.encoder.register_forward_pre_hook(lambda _, args: seen.append(args[0].shape))
    named = losses(task)
    assert seen == [(24, 3, 16, 16)]
    assert named.keys() == {"cross_entropy", "rotation"}
    assert (task.rotation_head.in_features, task.rotation_head.out_features) == (3, 4)


def test_gamma_weighs_the_rotation_loss() -> None:
    one, two = (losses(SKDGen0(encoder(), pictures(), n_classes=3, gamma=gamma)) for gamma in (1.0, 2.0))
    assert torch.equal(two["rotation"], 2 * one["rotation"])
    assert torch.equal(two["cross_entropy"], one["cross_entropy"])
