"""Generation 1 of SKD: a student of its own teacher."""

import pytest
import torch
from still_pictures import encoder, losses, pictures

from syntrans_training.encoder.objectives.skd_gen1 import SKDGen1


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
    assert not torch.equal(task.head.weight, task.teacher.state_dict()["1.weight"])


def test_the_student_is_shown_what_its_loss_reads_and_the_teacher_only_upright_pictures() -> None:
    seen = []
    task = SKDGen1(encoder(), torch.nn.Linear(128, 3), pictures())
    task.encoder.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    task.teacher.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    losses(task)
    upright, both = seen
    assert torch.equal(both[:6], upright)
    assert torch.equal(both[6:], upright.flip(2, 3))
