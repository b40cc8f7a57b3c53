"""SynTrans with imagined pictures: what counts as nothing changes nothing, and what counts as one is one."""

import pytest
import torch

from syntrans_training.bridge.initialisation import (
    MapInit,
    RawFeatures,
    SpaceSettings,
    closed_form,
    transform_features,
)
from syntrans_training.methods import ImaginedSynTrans, SynTrans

D, N = 6, 3
CLASSES = torch.tensor([[2, 0, 1], [0, 1, 2]])


def rand(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def features():
    raw = RawFeatures(1 + rand(40, D, seed=0), torch.arange(8).repeat_interleave(5), 1 + rand(30, D, seed=1))
    return transform_features(raw, 1.0)[1]


def syntrans(features, fusion: str = "evidence") -> SynTrans:
    space, start = SpaceSettings(1.0, 0.3, 2.0), MapInit(0.3, 0.1, 0.0)
    parts = {"generator": False, "residual": False, "gate": False, "fusion": fusion}
    return SynTrans(closed_form(features, rand(8, 5, seed=2), space, start, **parts), rand(N, 5, seed=3), alpha=0.5)


@pytest.fixture(scope="module")
def tasks(features) -> tuple[torch.Tensor, torch.Tensor]:
    """Supports [2, 3, 2, D] and queries [2, 9, D] of two tasks."""
    return features.val[torch.arange(12).view(2, 3, 2)], features.val[torch.arange(12, 30).view(2, 9)]


def test_pictures_that_are_worth_nothing_change_nothing(features, tasks) -> None:
    ours = syntrans(features)
    joined = ImaginedSynTrans(ours, rand(N, D, seed=4), torch.zeros(N))
    supports, queries = tasks
    torch.testing.assert_close(joined.scores(supports, queries, CLASSES), ours.scores(supports, queries, CLASSES))


def test_a_picture_that_is_worth_a_real_one_is_one_more_support(features, tasks) -> None:
    ours, mean = syntrans(features), rand(N, D, seed=4)
    (support, query), joined = tasks, ImaginedSynTrans(ours, mean, torch.ones(N))
    more = torch.cat([support, mean[CLASSES].unsqueeze(2)], 2)
    torch.testing.assert_close(joined.scores(support, query, CLASSES), ours.scores(more, query, CLASSES))


def test_a_class_without_imagined_pictures_keeps_the_mean_of_its_supports(features, tasks) -> None:
    ours = syntrans(features)
    worth, other = torch.tensor([0.0, 1.0, 1.0]), rand(N, D, seed=5)
    classifiers = [ImaginedSynTrans(ours, mean, worth).classifiers(tasks[0], CLASSES) for mean in (other, -other)]
    own = CLASSES == 0
    torch.testing.assert_close(classifiers[0].weight[own], classifiers[1].weight[own])
    assert not torch.allclose(classifiers[0].weight[~own], classifiers[1].weight[~own])


def test_only_the_evidence_fusion_weighs_supports_by_their_number(features) -> None:
    with pytest.raises(ValueError, match="only where fusion is `evidence`"):
        ImaginedSynTrans(syntrans(features, "convex"), rand(N, D, seed=4), torch.ones(N))
