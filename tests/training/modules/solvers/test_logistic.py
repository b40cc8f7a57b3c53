from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from syntrans_training.methods import LogisticRegression
from syntrans_training.modules.solvers.logistic import fit_logistic

E, N, D = 6, 5, 48


@pytest.fixture
def episodes() -> Callable[..., Any]:
    """Makes supports [E, N, k, D] and queries [E, N * 4, D] around one centre per class, all positive."""
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(E, N, 1, D, generator=generator)

    def make(shots):
        support, query = (centres + torch.randn(E, N, k, D, generator=generator) for k in (shots, 4))
        return support.relu(), query.flatten(1, 2).relu(), torch.arange(N).expand(E, N)

    return make


@pytest.mark.parametrize("shots", [1, 5])
@pytest.mark.parametrize("c", [0.1, 1.0, 30.0])
@pytest.mark.parametrize("normalise", [True, False])
def test_every_episode_equals_scikit_learn(episodes: Callable[..., Any], shots: int, c: float, normalise: bool) -> None:
    from sklearn.linear_model import LogisticRegression as Sklearn

    support, query, classes = episodes(shots)
    scores = LogisticRegression(c, normalise=normalise).scores(support, query, classes)
    for i in range(E):
        x, q = support[i].flatten(0, 1).double(), query[i].double()
        if normalise:
            x, q = F.normalize(x, dim=-1), F.normalize(q, dim=-1)
        model = Sklearn(C=c, tol=1e-9, solver="newton-cg").fit(x.numpy(), np.repeat(np.arange(N), shots))
        expected = model.decision_function(q.numpy())
        # The intercepts are free up to a constant over classes; softmax does not see it.
        gap = scores[i].numpy() - expected
        assert np.abs(gap - gap.mean(1, keepdims=True)).max() < 4e-3 * np.abs(expected).max()


def test_the_gradient_of_the_objective_vanishes(episodes: Callable[..., Any]) -> None:
    support, _, _ = episodes(5)
    x = support.flatten(1, 2).double()
    targets = torch.eye(N, dtype=x.dtype).repeat_interleave(5, 1)
    a, b = fit_logistic(x @ x.mT, targets, c=2.0, tolerance=1e-9)
    weight, bias = (a @ x).requires_grad_(), b.clone().requires_grad_()
    logits = weight @ x.mT + bias.unsqueeze(-1)
    losses = F.cross_entropy(logits, targets.argmax(0).expand(E, -1), reduction="sum")
    (losses + weight.square().sum() / 4).backward()
    assert weight.grad.abs().max() < 1e-6
    assert bias.grad.abs().max() < 1e-6


def test_episodes_do_not_influence_each_other(episodes: Callable[..., Any]) -> None:
    support, query, classes = episodes(5)
    method = LogisticRegression()
    alone = torch.cat([method.scores(support[i : i + 1], query[i : i + 1], classes[i : i + 1]) for i in range(E)])
    assert torch.allclose(method.scores(support, query, classes), alone, atol=1e-4)


def test_supports_given_twice_count_as_half_the_penalty(episodes: Callable[..., Any]) -> None:
    support, query, classes = episodes(3)
    twice = LogisticRegression(1.0).scores(support.repeat(1, 1, 2, 1), query, classes)
    assert torch.allclose(twice, LogisticRegression(2.0).scores(support, query, classes), atol=1e-3)


def test_too_few_steps_are_told(episodes: Callable[..., Any]) -> None:
    support, _, _ = episodes(5)
    x = support.flatten(1, 2)
    with pytest.warns(UserWarning, match="did not converge in 2 steps"):
        fit_logistic(x @ x.mT, torch.eye(N).repeat_interleave(5, 1), max_iterations=2)


def test_a_penalty_that_is_not_positive_is_refused() -> None:
    with pytest.raises(ValueError, match="C must be positive, got 0"):
        LogisticRegression(0.0)
