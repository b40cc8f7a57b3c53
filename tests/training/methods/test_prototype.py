"""Prototypes, beside easyfsl and the distance to the mean."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from drawn_episodes import draw

from syntrans_training.methods import Euclidean, Prototype, accuracy


def test_euclidean_ranks_as_the_distance_to_the_mean() -> None:
    support, query, classes = draw(1.0)
    distances = torch.cdist(query, support.mean(2)).square()
    scores = Euclidean().scores(support, query, classes)
    expected = (query.square().sum(-1, keepdim=True) - distances) / 2
    assert torch.allclose(scores, expected, atol=1e-4)


@pytest.mark.parametrize("i", [0, 1])
def test_prototypes_equal_easyfsls_simpleshot_on_centred_unit_features(
    reference: Callable[[str], dict[str, Any]], i: int
) -> None:
    case = reference("easyfsl")["cases"][i]
    arrays = {name: torch.from_numpy(value) for name, value in case["inputs"].items()}
    order = arrays["support_labels"].argsort(stable=True)
    support = (arrays["support_features"] - arrays["centering_vector"])[order].view(1, 5, case["shot"], -1)
    query = (arrays["query_features"] - arrays["centering_vector"]).unsqueeze(0)
    scores = Prototype().scores(support.float(), query.float(), torch.arange(5).unsqueeze(0))[0]
    expected = case["simpleshot_centered_l2norm_logits"]
    assert np.allclose(scores.numpy(), expected, atol=2e-6)


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
    hits = accuracy(Prototype().scores(support, query, torch.arange(5).expand(20, 5)))
    assert (hits * 15).round().int().tolist() == case["simpleshot_correct_per_episode"]
