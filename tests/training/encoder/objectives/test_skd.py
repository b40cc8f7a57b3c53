import numpy as np
import pytest
import torch

from syntrans_training import backbones
from syntrans_training.data.augment import Pictures
from syntrans_training.encoder.objectives.cross_entropy import CrossEntropy
from syntrans_training.encoder.objectives.skd_gen0 import SKDGen0
from syntrans_training.encoder.objectives.skd_gen1 import SKDGen1

CPU = torch.device("cpu")
PIXELS = np.random.default_rng(0).integers(0, 256, (12, 16, 16, 3), np.uint8)
STILL = {"size": 16, "crop_area": (1.0, 1.0), "flip": 0.0, "jitter": 0.0}


def pictures(**more):
    return Pictures(PIXELS, np.arange(12) % 3, device=CPU, view=STILL, **more)


def encoder():
    torch.manual_seed(0)
    return backbones.build("resnet12-tiny")


def losses(task):
    return task.losses(torch.arange(6), torch.Generator().manual_seed(0))


def test_generation_0_sees_every_picture_in_four_orientations() -> None:
    seen = []
    task = SKDGen0(encoder(), pictures(), n_classes=3)
    task.encoder.register_forward_pre_hook(lambda _, args: seen.append(args[0].shape))
    found = losses(task)
    assert seen == [(24, 3, 16, 16)]
    assert found.keys() == {"cross_entropy", "rotation"}
    assert (task.rotation_head.in_features, task.rotation_head.out_features) == (3, 4)


def test_gamma_weighs_the_rotation_loss() -> None:
    one, two = (losses(SKDGen0(encoder(), pictures(), n_classes=3, gamma=gamma)) for gamma in (1.0, 2.0))
    assert torch.equal(two["rotation"], 2 * one["rotation"])
    assert torch.equal(two["cross_entropy"], one["cross_entropy"])


def test_the_student_starts_as_its_teacher() -> None:
    task = SKDGen1(encoder(), torch.nn.Linear(128, 3), pictures())
    task.module.eval()
    assert losses(task)["distillation"].item() == pytest.approx(0, abs=1e-6)
    assert losses(task)["twin"].item() > 0


def test_the_teacher_stays_as_it_was() -> None:
    task = SKDGen1(encoder(), torch.nn.Linear(128, 3), pictures())
    before = {name: value.clone() for name, value in task.teacher.state_dict().items()}
    task.module.train()
    optimizer = torch.optim.SGD(task.module.parameters(), lr=0.1)
    for _ in range(2):
        sum(losses(task).values()).backward()
        optimizer.step()
    assert not any(module.training for module in task.teacher.modules())
    assert all(torch.equal(before[name], value) for name, value in task.teacher.state_dict().items())
    assert not torch.equal(task.head.weight, task.teacher[1].weight)


def test_the_student_is_shown_what_its_loss_reads_and_the_teacher_only_upright_pictures() -> None:
    seen = []
    task = SKDGen1(encoder(), torch.nn.Linear(128, 3), pictures())
    task.encoder.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    task.teacher.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    losses(task)
    upright, both = seen
    assert torch.equal(both[:6], upright)
    assert torch.equal(both[6:], upright.flip(2, 3))


def test_cross_entropy_of_a_new_head_is_about_that_of_a_guess() -> None:
    assert losses(CrossEntropy(encoder(), pictures(), n_classes=3))["cross_entropy"].item() == pytest.approx(1.1, abs=1)


def test_processes_that_share_a_batch_see_what_one_would_see() -> None:
    wild = {"size": 16, "crop_area": (0.3, 0.9), "flip": 0.5, "jitter": 0.4}
    parts = [Pictures(PIXELS, np.arange(12), device=CPU, view=wild, shard=s) for s in ((0, 1), (0, 2), (1, 2))]
    items = torch.tensor([5, 1, 8, 2])
    whole, first, second = (part.batch(items, torch.Generator().manual_seed(4)) for part in parts)
    for i in range(2):
        assert torch.equal(whole[i], torch.cat([first[i], second[i]]))
