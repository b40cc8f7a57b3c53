"""Gradient steps for many episodes at once end where each would end alone."""

import pytest
import torch
from torch import Tensor

from syntrans_training.modules.solvers import finetune as module
from syntrans_training.modules.solvers.finetune import finetune

TARGETS = torch.randn(4, 3, 2, generator=torch.Generator().manual_seed(0))
START = torch.zeros(4, 3, 2)


def distance(parameters: Tensor, targets: Tensor) -> Tensor:
    """The gradient of the squared distance to each episode's targets."""
    return 2 * (parameters - targets)


def test_episodes_do_not_see_each_other() -> None:
    together = finetune(START, distance, (TARGETS,), steps=5, lr=0.1)
    alone = [finetune(START[i : i + 1], distance, (TARGETS[i : i + 1],), steps=5, lr=0.1) for i in range(4)]
    assert torch.allclose(together, torch.cat(alone), atol=1e-6)


def test_enough_steps_find_the_least_loss() -> None:
    assert torch.allclose(finetune(START, distance, (TARGETS,), steps=300, lr=0.05), TARGETS, atol=1e-2)


def test_no_step_changes_nothing_and_the_start_is_never_changed() -> None:
    start = START.clone()
    assert torch.equal(finetune(start, distance, (TARGETS,), steps=0, lr=0.1), START)
    finetune(start, distance, (TARGETS,), steps=3, lr=0.1)
    assert torch.equal(start, START)


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad])
def test_it_works_where_nothing_else_has_gradients(mode: type) -> None:
    with mode():
        moved = finetune(START.clone(), distance, (TARGETS.clone(),), steps=2, lr=0.1)
    assert not torch.equal(moved, START)
    assert not moved.requires_grad


def test_blocks_of_episodes_do_not_change_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = finetune(START, distance, (TARGETS,), steps=5, lr=0.1)
    monkeypatch.setattr(module, "CACHE_BYTES", 1)
    assert torch.equal(finetune(START, distance, (TARGETS,), steps=5, lr=0.1), whole)


def test_decay_pulls_towards_zero() -> None:
    free, decayed = (
        finetune(TARGETS, torch.zeros_like, (), steps=5, lr=0.1, weight_decay=decay) for decay in (0.0, 0.5)
    )
    assert torch.equal(free, TARGETS)
    assert (decayed.abs() < TARGETS.abs()).all()
