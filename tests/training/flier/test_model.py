"""FLIER on numbers where it is known what pictures and latents say."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from syntrans.errors import InputError
from syntrans_training.flier.latent_encoder import LatentEncoder
from syntrans_training.flier.model import LossWeights, Pictures, Projection, branch_loss, branches
from syntrans_training.flier.prolip import tune_projection
from syntrans_training.flier.rows import FLIER, PIXELS, ROWS, _noise, _shuffled
from syntrans_training.flier.task import Task, divide, draw_shots
from syntrans_training.flier.training import Phase, Recipe, train_flier

WEIGHTS = LossWeights(fused=1.0, image=1.0, latent=0.5, fusion=0.3)
RECIPE = Recipe(Phase(20, 1e-2, 0.0, 16, 0.01), Phase(80, 1e-2, 1e-4, 16, 0.01), WEIGHTS, 0.8, 8, 0.1)
# Enough where a test asks what a training may change, and not how well it learns.
SHORT = replace(RECIPE, phase1=replace(RECIPE.phase1, steps=2), phase2=replace(RECIPE.phase2, steps=8))
CLASSES, DIM = 4, 12


def pictures(n: int, seed: int, *, told: float) -> Pictures:
    """Image vectors say nothing of the class; latents do, as far as `told`."""
    rng = torch.Generator().manual_seed(seed)
    labels = torch.arange(CLASSES).repeat_interleave(n)
    latents = torch.randn(len(labels), 4, 8, 8, generator=rng)
    latents[torch.arange(len(labels)), labels] += told
    return Pictures(torch.randn(len(labels), 10, generator=rng), latents, labels)


@pytest.fixture
def task() -> Task:
    rng = torch.Generator().manual_seed(9)
    projection = Projection(torch.randn(DIM, 10, generator=rng), torch.zeros(DIM))
    text = F.normalize(torch.randn(CLASSES, DIM, generator=rng), dim=-1)
    real, imagined, query = (pictures(n, seed, told=2.0) for n, seed in ((4, 0), (20, 1), (25, 2)))
    return Task(4, 0, real, imagined, query, text, projection)


def accuracy(task: Task, row: str, **setting: float) -> float:
    scores, _ = ROWS[row].run(task, RECIPE, [{"trained": 1.0, **setting}])
    return float((scores[0].argmax(-1) == task.query.labels).float().mean())


def test_latents_that_say_the_class_are_learned_where_pixels_say_nothing(task: Task) -> None:
    assert accuracy(task, FLIER, fusion=1.0) > 0.8
    assert accuracy(task, PIXELS) < 0.5


@pytest.mark.slow
def test_with_noise_or_other_classes_latents_the_latent_branch_knows_nothing(task: Task) -> None:
    assert accuracy(task, "latents_noise", fusion=1.0) < 0.45
    assert accuracy(task, "latents_shuffled", fusion=1.0) < 0.2


def test_no_share_for_the_latents_is_the_image_branch_alone(task: Task) -> None:
    (scores, none), model = ROWS[FLIER].run(task, SHORT, [{"trained": 1.0, "fusion": b} for b in (0.5, 0.0)])
    image, latent = branches(model, task.query)
    torch.testing.assert_close(none, image)
    torch.testing.assert_close(scores, 0.5 * image + 0.5 * latent)


def test_of_what_training_changed_none_is_zero_shot_clip_and_half_lies_between(task: Task) -> None:
    settings = [{"trained": share, "fusion": 0.0} for share in (0.0, 0.5, 1.0)]
    (none, _, _), model = ROWS[FLIER].run(task, SHORT, settings)
    torch.testing.assert_close(none, ROWS["zero_shot"].run(task, SHORT, [{}])[0][0])
    half = model.towards(task.projection, task.text, 0.5)
    torch.testing.assert_close(half.head, (model.head + task.text) / 2)
    torch.testing.assert_close(half.weight, (model.weight + task.projection.weight) / 2)
    assert half.latent is model.latent


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights_and_another_does_not(task: Task) -> None:
    told = (task.projection, task.text, task.real, task.imagined, RECIPE)
    first, again, other = (train_flier(*told, seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["head"], other["head"])


def test_a_projection_without_a_rate_stays_clips(task: Task) -> None:
    frozen = replace(SHORT, phase2=replace(SHORT.phase2, projection_lr=0.0))
    model = train_flier(task.projection, task.text, task.real, task.imagined, frozen, seed=0)
    assert torch.equal(model.weight, task.projection.weight)
    assert not torch.equal(model.head, task.text)


def test_the_last_block_of_clip_is_tuned_where_it_has_a_rate_and_clips_own_stays(task: Task) -> None:
    torch.manual_seed(0)
    block = torch.nn.Sequential(torch.nn.Linear(10, 10), torch.nn.BatchNorm1d(10)).eval().requires_grad_(False)
    own, projection = copy.deepcopy(block.state_dict()), replace(task.projection, block=block)
    told = (projection, task.text, task.real, task.imagined)
    tuned, frozen = (
        train_flier(*told, replace(SHORT, phase2=replace(SHORT.phase2, block_lr=rate)), seed=0) for rate in (1e-3, 0.0)
    )
    for name, value in block.state_dict().items():
        assert torch.equal(value, own[name])
        assert torch.equal(frozen.block.state_dict()[name], value)
    was, became = block.state_dict(), tuned.block.state_dict()
    assert not torch.equal(became["0.weight"], was["0.weight"])
    assert torch.equal(became["1.running_mean"], was["1.running_mean"])
    none = tuned.towards(projection, task.text, 0.0).block.state_dict()
    torch.testing.assert_close(none["0.weight"], was["0.weight"])


def test_without_a_latent_branch_the_loss_is_the_image_branchs(task: Task) -> None:
    model = train_flier(task.projection, task.text, task.real, None, SHORT, seed=0, with_latents=False)
    entropy = F.cross_entropy(model.image_logits(task.query.before), task.query.labels)
    torch.testing.assert_close(branch_loss(model, task.query, WEIGHTS), 2 * entropy)


def test_shuffled_latents_are_those_of_another_class_alone(task: Task) -> None:
    marked = replace(task.real, latents=task.real.labels[:, None, None, None].float().expand(-1, 4, 8, 8))
    shuffled = _shuffled(replace(task, real=marked, imagined=None)).real
    of_class = [shuffled.latents[shuffled.labels == c, 0, 0, 0] for c in range(CLASSES)]
    assert all(len(set(values.tolist())) == 1 and values[0] != c for c, values in enumerate(of_class))
    assert torch.equal(shuffled.before, marked.before)


def test_noise_stands_for_the_latents_of_the_test_too(task: Task) -> None:
    assert not torch.equal(_noise(task).query.latents, task.query.latents)
    assert torch.equal(_noise(task).query.before, task.query.before)


@pytest.mark.parametrize("shape", [(4, 8, 8), (4, 16, 16), (4, 64, 64), (4, 96, 96)])
def test_two_convolutions_read_latents_of_every_size(shape) -> None:
    vectors = LatentEncoder(shape, 6, width=8)(torch.randn(2, *shape))
    assert vectors.shape == (2, 6)
    torch.testing.assert_close(vectors.norm(dim=-1), torch.ones(2))


@pytest.mark.parametrize("shape", [(4, 4, 4), (4, 8, 8), (4, 15, 16), (4, 5, 5), (4, 8, 12), (4, 64, 64)])
def test_a_pool_that_has_nothing_to_average_is_left_out_and_changes_nothing(shape: tuple[int, int, int]) -> None:
    encoder, latents = LatentEncoder(shape, 6, width=8), torch.randn(2, *shape)
    before = encoder.convolutions[:-1](latents)
    assert isinstance(encoder.convolutions[-1], torch.nn.Identity) == (before.shape[-2:] == (4, 4))
    assert torch.equal(encoder.convolutions(latents), F.adaptive_avg_pool2d(before, 4))


def test_a_deeper_encoder_has_more_convolutions_and_one_is_too_few() -> None:
    def convolutions(depth: int) -> int:
        encoder = LatentEncoder((4, 8, 8), 6, width=8, depth=depth)
        assert encoder(torch.randn(2, 4, 8, 8)).shape == (2, 6)
        return sum(isinstance(layer, torch.nn.Conv2d) for layer in encoder.convolutions)

    assert [convolutions(depth) for depth in (2, 4)] == [2, 4]
    with pytest.raises(ValueError, match="two convolutions or more, got 1"):
        convolutions(1)


def test_prolip_without_steps_is_clip_and_a_large_penalty_holds_it_there(task: Task) -> None:
    def tuned(steps: int, penalty: float) -> torch.Tensor:
        return tune_projection(task.projection, task.text, task.real, lr=1e-2, steps=steps, penalty=penalty).weight

    assert torch.equal(tuned(0, 1.0), task.projection.weight)
    free, held = ((tuned(50, penalty) - task.projection.weight).norm() for penalty in (0.0, 100.0))
    assert held < 0.5 * free


def test_what_mining_saw_is_never_tested_and_may_be_a_shot() -> None:
    labels = np.repeat(np.arange(3), 10)
    seen = np.zeros(30, bool)
    seen[[0, 5, 12, 13, 14, 29]] = True
    division = divide(labels, seen, ("a", "b", "c"), pool=4, most=2)
    pool = np.concatenate(division.pool)
    assert not seen[division.test].any()
    assert set(np.flatnonzero(seen)) <= set(pool)
    assert sorted([*pool, *division.test]) == list(range(30))


def test_few_shots_are_the_first_of_many_and_lie_class_by_class() -> None:
    division = divide(np.repeat(np.arange(3), 10), np.zeros(30, bool), ("a", "b", "c"), pool=5, most=4)
    one, four = draw_shots(division, 1, 0), draw_shots(division, 4, 0)
    assert (four // 10).tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert one.tolist() == four[::4].tolist()
    assert four.tolist() != draw_shots(division, 4, 1).tolist()


def test_a_class_with_too_few_pictures_is_named() -> None:
    with pytest.raises(InputError, match="class 'b' has 3 pictures: 2 shots and a test picture need more than 4"):
        divide(np.array([0] * 10 + [1] * 3), np.zeros(13, bool), ("a", "b"), pool=4, most=2)
