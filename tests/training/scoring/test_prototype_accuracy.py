"""An encoder is judged by nearest visual prototypes, every number of shots counting the same."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from syntrans_training.episodes.sampler import Episodes, EpisodeSpec, draw
from syntrans_training.scoring import prototype_accuracy as module
from syntrans_training.scoring.prototype_accuracy import prototype_accuracy, prototype_cosines

C, EACH, D = 5, 10, 6
LABELS = np.repeat(np.arange(C), EACH)


def features(noise: float) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    means = torch.randn(C, D, generator=generator)
    return F.normalize(means[LABELS] + noise * torch.randn(len(LABELS), D, generator=generator), dim=-1)


def tasks(shots: int) -> Episodes:
    return draw(EpisodeSpec(4, shots, 3, 20, 0), LABELS)


def naive(values: torch.Tensor, of: Episodes) -> float:
    hits = []
    for e in range(len(of)):
        prototypes = F.normalize(values[of.support[e]].mean(1), dim=-1)
        answers = (values[of.query[e].ravel()] @ prototypes.T).argmax(1).numpy()
        hits.append((answers == np.repeat(np.arange(4), 3)).mean())
    return float(np.mean(hits))


def test_it_is_the_share_of_queries_nearest_to_their_own_prototype() -> None:
    values = features(0.8)
    assert prototype_accuracy(values, {2: tasks(2)}) == pytest.approx(naive(values, tasks(2)))


def test_numbers_of_shots_count_the_same() -> None:
    values = features(0.8)
    apart = [prototype_accuracy(values, {k: tasks(k)}) for k in (1, 5)]
    assert prototype_accuracy(values, {1: tasks(1), 5: tasks(5)}) == pytest.approx(np.mean(apart))


def test_features_that_tell_all_are_never_wrong() -> None:
    assert prototype_accuracy(features(0.0), {1: tasks(1)}) == 1.0


def test_tasks_are_taken_in_parts_without_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    values = features(0.8)
    whole = prototype_accuracy(values, {1: tasks(1)})
    monkeypatch.setattr(module, "CHUNK", 3)
    assert prototype_accuracy(values, {1: tasks(1)}) == pytest.approx(whole)


def test_cosines_are_with_prototypes_of_unit_length() -> None:
    cosines, prototypes = prototype_cosines(features(0.8), tasks(3))
    assert torch.allclose(prototypes.norm(dim=-1), torch.ones(20, 4))
    assert cosines.abs().max() <= 1 + 1e-6
