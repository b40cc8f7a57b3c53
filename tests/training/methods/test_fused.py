"""Prototypes and text fused, between the two alone."""

import pytest
import torch
from drawn_episodes import C, D, E, draw

from syntrans_training.methods import Fused, Prototype, Semantic


@pytest.fixture
def task() -> tuple[torch.Tensor, ...]:
    return draw(1.0)


@pytest.fixture
def weights() -> torch.Tensor:
    return torch.randn(C, D, generator=torch.Generator().manual_seed(1))


def test_alpha_0_scores_as_visual_only(task: tuple[torch.Tensor, ...], weights: torch.Tensor) -> None:
    assert torch.allclose(Fused(weights, alpha=0.0).scores(*task), Prototype().scores(*task), atol=1e-6)


def test_alpha_1_ignores_the_supports(task: tuple[torch.Tensor, ...], weights: torch.Tensor) -> None:
    support, query, classes = task
    fused = Fused(weights, alpha=1.0)
    assert torch.equal(fused.scores(support, query, classes), fused.scores(support.flip(0), query, classes))
    assert torch.allclose(fused.scores(*task), Semantic(weights).scores(*task), atol=1e-6)


@pytest.mark.parametrize("method", [Prototype(), "semantic", "fused"])
def test_permuting_the_classes_permutes_the_scores(
    task: tuple[torch.Tensor, ...], weights: torch.Tensor, method
) -> None:
    method = {"semantic": Semantic(weights), "fused": Fused(weights, alpha=0.4)}.get(method, method)
    support, query, classes = task
    order = torch.tensor([3, 0, 4, 1, 2])
    permuted = method.scores(support[:, order], query, classes[:, order])
    assert torch.allclose(permuted, method.scores(*task)[..., order], atol=1e-6)


def test_chunks_score_as_the_whole(task: tuple[torch.Tensor, ...], weights: torch.Tensor) -> None:
    method = Fused(weights, alpha=0.4)
    parts = [method.scores(*(x[i : i + 2] for x in task)) for i in range(0, E, 2)]
    assert torch.allclose(torch.cat(parts), method.scores(*task), atol=1e-6)


def test_alpha_outside_0_to_1_is_refused(weights: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="alpha"):
        Fused(weights, alpha=1.2)
