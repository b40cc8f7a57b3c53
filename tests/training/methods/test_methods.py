from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from syntrans_training.methods import Fused, Prototype, Semantic, accuracy

E, N, K, Q, D, C = 6, 5, 3, 4, 16, 9


@pytest.fixture
def task():
    generator = torch.Generator().manual_seed(0)
    classes = torch.stack([torch.randperm(C, generator=generator)[:N] for _ in range(E)])
    centres = torch.randn(C, D, generator=generator)[classes]
    support = centres.unsqueeze(2) + torch.randn(E, N, K, D, generator=generator)
    query = (centres.unsqueeze(2) + torch.randn(E, N, Q, D, generator=generator)).flatten(1, 2)
    return support, query, classes


@pytest.fixture
def weights() -> torch.Tensor:
    return torch.randn(C, D, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("i", [0, 1])
def test_prototypes_equal_easyfsls_simpleshot_on_centred_unit_features(
    reference: Callable[[str], dict[str, Any]], i: int
) -> None:
    case = reference("easyfsl")["cases"][i]
    arrays = {name: torch.from_numpy(value) for name, value in case["inputs"].items()}
    order = arrays["support_labels"].argsort(stable=True)
    support = (arrays["support_features"] - arrays["centering_vector"])[order].view(1, 5, case["shot"], -1)
    query = (arrays["query_features"] - arrays["centering_vector"]).unsqueeze(0)
    found = Prototype().scores(support.float(), query.float(), torch.arange(5).unsqueeze(0))[0]
    expected = case["simpleshot_centered_l2norm_logits"]
    assert np.allclose(found.numpy(), expected, atol=2e-6)


def test_prototypes_count_as_many_hits_as_easyfsl_on_twenty_episodes(
    reference: Callable[[str], dict[str, Any]],
) -> None:
    case = reference("easyfsl")["cases"][2]
    arrays = {name: torch.from_numpy(value) for name, value in case["inputs"].items()}
    by_class = arrays["support_labels"].argsort(dim=1, stable=True)
    rows = torch.arange(20).unsqueeze(1)
    support = arrays["support_features"][rows, by_class].unsqueeze(2).float()
    queries = arrays["query_labels"].argsort(dim=1, stable=True)
    query = arrays["query_features"][rows, queries].float()
    found = accuracy(Prototype().scores(support, query, torch.arange(5).expand(20, 5)))
    assert (found * 15).round().int().tolist() == case["simpleshot_correct_per_episode"]


def test_alpha_0_scores_as_visual_only(task, weights: torch.Tensor) -> None:
    assert torch.allclose(Fused(weights, alpha=0.0).scores(*task), Prototype().scores(*task), atol=1e-6)


def test_alpha_1_ignores_the_supports(task, weights: torch.Tensor) -> None:
    support, query, classes = task
    fused = Fused(weights, alpha=1.0)
    assert torch.equal(fused.scores(support, query, classes), fused.scores(support.flip(0), query, classes))
    assert torch.allclose(fused.scores(*task), Semantic(weights).scores(*task), atol=1e-6)


@pytest.mark.parametrize("method", [Prototype(), "semantic", "fused"])
def test_permuting_the_classes_permutes_the_scores(task, weights: torch.Tensor, method) -> None:
    method = {"semantic": Semantic(weights), "fused": Fused(weights, alpha=0.4)}.get(method, method)
    support, query, classes = task
    order = torch.tensor([3, 0, 4, 1, 2])
    permuted = method.scores(support[:, order], query, classes[:, order])
    assert torch.allclose(permuted, method.scores(*task)[..., order], atol=1e-6)


def test_chunks_score_as_the_whole(task, weights: torch.Tensor) -> None:
    method = Fused(weights, alpha=0.4)
    parts = [method.scores(*(x[i : i + 2] for x in task)) for i in range(0, E, 2)]
    assert torch.allclose(torch.cat(parts), method.scores(*task), atol=1e-6)


def test_accuracy_counts_queries_in_the_order_of_their_classes() -> None:
    scores = torch.zeros(1, 4, 2)
    scores[0, :, 0] = torch.tensor([1.0, 1.0, 1.0, -1.0])  # two queries of class 0, then two of class 1
    assert accuracy(scores).tolist() == [0.75]


def test_alpha_outside_0_to_1_is_refused(weights: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="alpha"):
        Fused(weights, alpha=1.2)
