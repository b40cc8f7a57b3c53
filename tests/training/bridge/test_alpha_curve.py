"""The curve over alpha has the accuracies that the method has at each alpha."""

import pytest
import torch

from syntrans_training.bridge import alpha_curve as module
from syntrans_training.bridge.alpha_curve import alpha_curve
from syntrans_training.episodes.sampler import Episodes, EpisodeSpec, draw
from syntrans_training.methods.base import accuracy
from syntrans_training.methods.syntrans import SynTrans
from syntrans_training.modules.shared_space import Metric
from syntrans_training.modules.vsbird import VSBird

D, S, C, EACH = 5, 4, 6, 8
ALPHAS = (0.0, 0.3, 0.5, 1.0)


def rows(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def tasks() -> Episodes:
    """Twelve 3-way 2-shot tasks."""
    return draw(EpisodeSpec(3, 2, 3, 12, 0), torch.arange(C).repeat_interleave(EACH).numpy())


@pytest.fixture
def pictures() -> torch.Tensor:
    """Noisy pictures of six classes."""
    return rows(C, D, seed=4).repeat_interleave(EACH, 0) + rows(C * EACH, D, seed=5)


def head(fusion: str) -> VSBird:
    torch.manual_seed(0)
    metric = Metric(torch.eye(D) + 0.1 * rows(D, D, seed=0), rows(D, seed=1).abs() + 0.5)
    return VSBird(metric, rows(7, D, seed=2), rows(7, S, seed=3), fusion=fusion)


@pytest.mark.parametrize("fusion", ["evidence", "convex", "additive"])
def test_every_point_is_the_accuracy_of_the_method_at_its_alpha(fusion: str, tasks, pictures) -> None:
    bridge, text = head(fusion), rows(C, S, seed=6)
    curve = alpha_curve(bridge, pictures, text, tasks, ALPHAS)
    support, query = (torch.from_numpy(x) for x in (tasks.support, tasks.query))
    for i, alpha in enumerate(ALPHAS):
        scores = SynTrans(bridge, text, alpha=alpha).scores(
            pictures[support], pictures[query.flatten(1)], torch.from_numpy(tasks.classes)
        )
        assert curve[:, i].tolist() == pytest.approx(accuracy(scores).tolist())


def test_tasks_are_taken_in_parts_without_a_difference(tasks, pictures, monkeypatch: pytest.MonkeyPatch) -> None:
    bridge, text = head("evidence"), rows(C, S, seed=6)
    whole = alpha_curve(bridge, pictures, text, tasks, ALPHAS)
    monkeypatch.setattr(module, "CHUNK", 5)
    assert torch.equal(alpha_curve(bridge, pictures, text, tasks, ALPHAS), whole)


def test_a_head_is_left_in_evaluation_mode_and_without_gradients(tasks, pictures) -> None:
    bridge = head("evidence").train()
    curve = alpha_curve(bridge, pictures, rows(C, S, seed=6), tasks, ALPHAS)
    assert not bridge.training
    assert not curve.requires_grad
