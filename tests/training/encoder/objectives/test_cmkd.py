"""CMKD: what the teacher may know of a query, what the student keeps, and that the student sees pictures alone."""

import inspect

import numpy as np
import pytest
import torch

from syntrans_training import backbones
from syntrans_training.data.augment import Pictures
from syntrans_training.encoder.cmkd import teacher_accuracy
from syntrans_training.encoder.cmkd_teacher import MirrorTeacher
from syntrans_training.encoder.objectives.cmkd import (
    BaseTasks,
    CMKDStudent,
    CMKDTeacher,
    MirrorTeaching,
    TaskShape,
    teacher_backbone,
)
from syntrans_training.episodes.sampler import EpisodeSpec, draw

CPU = torch.device("cpu")
SHAPE = TaskShape(ways=3, shots=1, queries=2, tasks=2)
LABELS = np.arange(30) % 5
PIXELS = np.random.default_rng(0).integers(0, 256, (30, 16, 16, 3), np.uint8)
KNOWLEDGE = torch.randn(5, 6, generator=torch.Generator().manual_seed(1))
TABLE = torch.randn(30, 8, generator=torch.Generator().manual_seed(2))


def pictures(**more):
    view = {"size": 16, "crop_area": (0.5, 1.0), "flip": 0.5, "jitter": 0.2}
    return Pictures(PIXELS, LABELS, device=CPU, view=view, **more)


def encoder(seed=0):
    torch.manual_seed(seed)
    return backbones.build("conv4", size=16)


def teacher(dim=8):
    torch.manual_seed(5)
    return MirrorTeacher(dim, 6, width=12)


def teaching(**more):
    frozen = teacher().requires_grad_(requires_grad=False).eval()
    return MirrorTeaching(frozen, teacher_backbone(None, TABLE, CPU), KNOWLEDGE, **more)


def student(*, shape=SHAPE, seed=0, **more):
    return CMKDStudent(encoder(seed), pictures(), shape, steps=4, **more)


def losses(task, seed=0):
    return task.losses(torch.arange(3), torch.Generator().manual_seed(seed))


def task_of(tasks=2, ways=3, queries=4):
    generator = torch.Generator().manual_seed(7)
    return (
        torch.randn(tasks, ways, 1, 8, generator=generator),
        torch.randn(tasks, ways * queries, 8, generator=generator),
        KNOWLEDGE[:ways].expand(tasks, -1, -1).clone(),
        torch.arange(ways).repeat_interleave(queries).expand(tasks, -1),
    )


def test_what_the_teacher_says_of_a_query_depends_on_no_label_of_a_query() -> None:
    support, query, knowledge, labels = task_of()
    network = teacher()
    assert list(inspect.signature(network.forward).parameters) == ["support", "query", "knowledge"]
    taught = network(support, query, knowledge)
    # The labels permuted: queries of other classes stand at these places. Each keeps its output, so none read a label.
    order = torch.randperm(query.shape[1], generator=torch.Generator().manual_seed(0))
    moved = network(support, query[:, order], knowledge)
    torch.testing.assert_close(moved.query, taught.query[:, order])
    torch.testing.assert_close(moved.support, taught.support)
    torch.testing.assert_close(network.logits(moved), network.logits(taught)[:, order])
    before = taught.query.clone()
    network.mirror_loss(taught, labels.flip(1))
    assert torch.equal(taught.query, before)


def test_a_query_is_described_by_its_own_picture_and_by_no_other() -> None:
    support, query, knowledge, _ = task_of(tasks=1)
    query.requires_grad_()
    taught = teacher()(support, query, knowledge)
    taught.query[0, 0].sum().backward()
    touched = query.grad[0].abs().sum(1) > 0
    assert touched.tolist() == [True] + [False] * (query.shape[1] - 1)


def test_a_query_gets_the_mixture_of_the_knowledge_of_the_classes_that_it_resembles() -> None:
    support, query, knowledge, _ = task_of(tasks=1)
    network = teacher()
    taught = network(support, query, knowledge)
    likely = (network.sharpness * taught.query_view @ taught.knowledge.mT).softmax(-1)
    mixture = torch.nn.functional.normalize(network.explain(likely @ knowledge), dim=-1)
    torch.testing.assert_close(taught.query, taught.query_view + mixture)
    torch.testing.assert_close(taught.support, taught.support_view + taught.knowledge.unsqueeze(2))


def test_an_oracle_tells_every_query_the_knowledge_of_its_own_class() -> None:
    support, query, knowledge, labels = task_of()
    network = teacher()
    taught, told = network(support, query, knowledge), network.told(support, query, knowledge)
    own = taught.knowledge.gather(1, labels.unsqueeze(2).expand(-1, -1, 12))
    torch.testing.assert_close(told.query, taught.query_view + own)
    assert torch.equal(told.support, taught.support)


def test_the_oracle_s_lesson_differs_from_the_teacher_s() -> None:
    relations = [losses(student(teaching=teaching(queries_told=told)))["relation"] for told in (False, True)]
    assert relations[0] != relations[1]


def test_a_support_sees_the_knowledge_of_its_own_class_alone() -> None:
    support, query, knowledge, _ = task_of(tasks=1)
    knowledge.requires_grad_()
    teacher()(support, query, knowledge).support[0, 1].sum().backward()
    assert (knowledge.grad[0].abs().sum(1) > 0).tolist() == [False, True, False]


def test_both_directions_of_the_mirror_loss_are_taught() -> None:
    _, _, knowledge, labels = task_of(tasks=1)
    network = teacher(dim=6)
    support = knowledge.unsqueeze(2)
    query = knowledge[0][labels]
    # an explanation that is the view itself: pictures that are their class's knowledge are found in both directions
    with torch.no_grad():
        network.explain.weight.copy_(network.view[1].weight)
        network.explain.bias.copy_(network.view[1].bias)
        network.sharpness.fill_(50.0)
    normal = torch.nn.functional.layer_norm(knowledge, (6,))
    right = network.mirror_loss(network(support, query, normal), labels)
    wrong = network.mirror_loss(network(support, query, normal), labels.flip(1))
    # five pictures share a class, so the second direction cannot fall below log 5
    assert right.item() == pytest.approx(np.log(5) / 2, abs=0.05)
    assert wrong.item() > right.item() + 1


def test_a_task_has_as_many_pictures_of_as_many_classes_as_asked() -> None:
    tasks = BaseTasks(torch.from_numpy(LABELS), SHAPE)
    classes, images = tasks.draw(torch.Generator().manual_seed(0))
    assert images.shape == (2, 3, 3)
    assert (torch.from_numpy(LABELS)[images] == classes[:, :, None]).all()
    assert all(len(set(task.flatten().tolist())) == 9 for task in images)


def test_a_class_that_is_too_small_for_a_task_is_an_error() -> None:
    with pytest.raises(ValueError, match="smallest of 6"):
        BaseTasks(torch.from_numpy(LABELS), TaskShape(ways=3, shots=1, queries=6))


def test_students_of_any_teacher_and_of_none_see_the_same_tasks_and_views() -> None:
    seen = []
    for with_teaching in ({}, {"teaching": teaching()}, {"teaching": teaching(srl=5.0, relation="distance")}):
        task = student(**with_teaching)
        task.encoder.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
        generator = torch.Generator().manual_seed(3)
        task.losses(torch.arange(3), generator)
        task.losses(torch.arange(3), generator)
    assert all(torch.equal(a, b) for a, b in zip(seen[:2], seen[2:4], strict=True))
    assert all(torch.equal(a, b) for a, b in zip(seen[:2], seen[4:], strict=True))


@pytest.mark.parametrize("relation", ["soft", "distance", "prototype"])
def test_the_relation_loss_is_weighed_and_pulls_the_student_towards_its_teacher(relation: str) -> None:
    one, ten = (losses(student(teaching=teaching(srl=srl, relation=relation))) for srl in (1.0, 10.0))
    torch.testing.assert_close(ten["relation"], 10 * one["relation"])
    assert torch.equal(one["episode"], losses(student())["episode"])
    task = student(teaching=teaching(srl=1.0, relation=relation))
    optimizer = torch.optim.Adam(task.module.parameters(), lr=1e-3)
    before = losses(task)["relation"].item()
    for _ in range(15):
        optimizer.zero_grad()
        losses(task)["relation"].backward()
        optimizer.step()
    assert losses(task)["relation"].item() < before / 2


def test_the_teaching_is_no_part_of_what_is_trained() -> None:
    own = teaching()
    task = student(teaching=own)
    sum(losses(task).values()).backward()
    assert {name.split(".")[0] for name in task.module.state_dict()} == {"encoder"}
    assert all(p.grad is None for p in own.teacher.parameters())
    task.module.train()
    assert not own.teacher.training


def test_the_student_is_given_pictures_alone() -> None:
    parameters = inspect.signature(student(teaching=teaching()).encoder.forward).parameters
    assert list(parameters) == ["x"]


def test_a_teacher_with_eyes_of_its_own_trains_them_and_one_with_a_table_does_not() -> None:
    own = CMKDTeacher(teacher(64), pictures(), KNOWLEDGE, SHAPE, steps=4, encoder=encoder())
    frozen = CMKDTeacher(teacher(), pictures(), KNOWLEDGE, SHAPE, steps=4, table=TABLE)
    for task in (own, frozen):
        named = losses(task)
        assert named.keys() == {"episode", "mirror"}
        sum(named.values()).backward()
        assert all(p.grad is not None for p in task.module.parameters())
    assert {name for name, _ in own.module.named_children()} == {"teacher", "encoder"}
    assert {name for name, _ in frozen.module.named_children()} == {"teacher"}
    with pytest.raises(ValueError, match="to see with"):
        teacher_backbone(None, None, CPU)


def test_a_teacher_learns_tasks_and_uses_what_it_is_told() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(400) % 20
    known = torch.nn.functional.normalize(torch.randn(20, 10, generator=generator), dim=-1)
    seen = known[labels] @ torch.randn(10, 16, generator=generator) + 1.5 * torch.randn(400, 16, generator=generator)
    torch.manual_seed(0)
    network = MirrorTeacher(16, 10, width=32)
    pixels = np.zeros((400, 16, 16, 3), np.uint8)
    still = Pictures(pixels, labels.numpy(), device=CPU, view={"size": 16, "jitter": 0.0})
    task = CMKDTeacher(network, still, known, TaskShape(queries=5), steps=1, table=seen)
    optimizer = torch.optim.Adam(task.module.parameters(), lr=3e-3)
    draws = torch.Generator().manual_seed(1)
    for _ in range(150):
        optimizer.zero_grad()
        sum(task.losses(torch.arange(1), draws).values()).backward()
        optimizer.step()
    tasks = draw(EpisodeSpec(5, 1, 10, episodes=100), labels.numpy())
    told = teacher_accuracy(network, seen, known, tasks)
    misled = teacher_accuracy(network, seen, known.roll(1, 0), tasks)
    assert told > misled + 0.2
    assert told > 0.5


def test_processes_that_share_a_step_take_tasks_of_it() -> None:
    whole, first, second = (
        CMKDStudent(encoder(), pictures(shard=shard), SHAPE, steps=4).episodic.draw(torch.Generator().manual_seed(2))
        for shard in ((0, 1), (0, 2), (1, 2))
    )
    for i in range(3):
        assert torch.equal(whole[i], torch.cat([first[i], second[i]]))
