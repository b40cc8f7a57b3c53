"""A head ends with the weights of its best validation check, the untrained ones among them."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from syntrans_training.engine.head_trainer import fit_head


class Weight(nn.Module):
    """One number that its loss pushes to 1."""

    def __init__(self) -> None:
        super().__init__()
        self.fast, self.slow = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))

    def loss(self, _step: int) -> Tensor:
        return (1 - self.fast).square().sum() + (1 - self.slow).square().sum()


def fit(module: Weight, accuracies: list[float], *, steps: int = 8, **more) -> tuple[int, float]:
    seen: Iterator[float] = iter(accuracies)
    return fit_head(module, module.loss, steps=steps, lr=0.1, val_checks=4, validate=lambda: next(seen), **more)


def test_the_best_check_is_kept_and_not_the_last() -> None:
    module, once = Weight(), Weight()
    assert fit(module, [0.1, 0.2, 0.9, 0.3, 0.2]) == (4, 0.9)
    fit(once, [0.1, 0.2, 0.9, 0.95, 0.99])
    assert 0 < module.fast.item() < once.fast.item()


def test_a_head_that_val_finds_no_better_stays_as_it_began() -> None:
    module = Weight()
    assert fit(module, [0.5, 0.5, 0.4, 0.5, 0.5]) == (0, 0.5)
    assert module.fast.item() == 0


def test_checks_are_evenly_spread_and_the_last_step_is_one() -> None:
    steps = []
    module = Weight()

    def loss(step: int) -> Tensor:
        steps.append(step)
        return module.loss(step)

    checks: list[int] = []

    def validate() -> float:
        checks.append(len(steps))
        return 0.0

    fit_head(module, loss, steps=10, lr=0.1, val_checks=3, validate=validate)
    assert steps == [*range(1, 11)]
    assert checks == [0, 3, 6, 9, 10]


def test_slow_parts_learn_at_a_tenth_of_the_rate() -> None:
    module = Weight()
    fit(module, [0.0, 0.1, 0.2, 0.3, 0.4], slow=("slow",))
    assert module.slow.item() == pytest.approx(module.fast.item() / 10, rel=0.2)


def test_a_head_is_left_in_evaluation_mode() -> None:
    module = Weight()
    fit(module, [0.0, 0.1, 0.2, 0.3, 0.4])
    assert not module.training
