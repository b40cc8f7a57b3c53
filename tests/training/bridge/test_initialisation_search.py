"""The search for where the bridge starts: accuracies of untrained heads, each computed once."""

from functools import partial
from itertools import product

import pytest
import torch

from syntrans_training.bridge import initialisation_search
from syntrans_training.bridge.initialisation import RawFeatures, closed_form, make_grid, transform_features
from syntrans_training.bridge.initialisation_search import InitialisationSearch
from syntrans_training.episodes.sampler import EpisodeSpec, draw
from syntrans_training.methods import SynTrans
from syntrans_training.scoring.closed_form_accuracy import closed_form_accuracies
from syntrans_training.scoring.scored_classifier import ScoredClassifier
from syntrans_training.scoring.scorer import score_episodes

BASE, VAL, M, D, S = 10, 6, 8, 6, 5
GRID = make_grid(
    powers=(1.0, 0.5), shrinkages=(0.3, 1.0), noises=(1.0, 2.0), prior_shrinkages=(0.3, 1.0), lambdas=(0.01, 1.0),
    name_shares=(0.0,), alphas=(0.5,),
)  # fmt: skip


class Texts:
    def base(self, variant, share, keep, generator):
        return torch.randn(BASE, S, generator=torch.Generator().manual_seed(1))

    def val(self, variant, share):
        return torch.randn(VAL, S, generator=torch.Generator().manual_seed(2))


@pytest.fixture
def raw():
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(BASE + VAL).repeat_interleave(M)
    values = torch.randn(BASE + VAL, D, generator=generator)[labels] + torch.randn(len(labels), D, generator=generator)
    return RawFeatures(values[: BASE * M], labels[: BASE * M], values[BASE * M :])


@pytest.fixture
def tasks():
    return {k: draw(EpisodeSpec(3, k, 4, 60, 1), torch.arange(VAL).repeat_interleave(M).numpy()) for k in (1, 3)}


def head_accuracy(raw, tasks, space, start):
    _, features = transform_features(raw, space.power)
    parts = {"generator": False, "residual": False, "gate": False}
    head = closed_form(features, Texts().base("", 0, 1, None), space, start, **parts)
    rows = {"row": ScoredClassifier((SynTrans(head, Texts().val("", 0), alpha=0.5),), features.val)}
    return (
        sum(score_episodes(rows, part, n_classes=VAL, chunk=50)["row"].accuracy.mean() for part in tasks.values()) / 2
    )


def test_it_takes_what_untrained_heads_would_have_taken(raw, tasks) -> None:
    """Against a loop over heads, by turns as `best_per_noise` says."""
    search = InitialisationSearch(partial(transform_features, raw), Texts(), tasks, GRID, fusion="evidence")
    chosen = search.best_per_noise("kept")
    known = {one: head_accuracy(raw, tasks, *one) for one in product(GRID.spaces, GRID.starts)}
    for (space, start), noise in zip(chosen, (1.0, 2.0), strict=True):
        spaces, expected = [one for one in GRID.spaces if one.noise == noise], GRID.middle
        for _ in range(2):
            best = max(spaces, key=lambda one: known[one, expected])
            expected = max(GRID.starts, key=lambda one: known[best, one])
        assert known[space, start] == pytest.approx(known[best, expected], abs=1e-3)


def test_no_setting_is_tried_twice(raw, tasks, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def counted(forms, *rest):
        accuracies = closed_form_accuracies(forms, *rest)
        tried.append(len(accuracies))
        return accuracies

    monkeypatch.setattr(initialisation_search, "closed_form_accuracies", counted)
    search = InitialisationSearch(partial(transform_features, raw), Texts(), tasks, GRID, fusion="evidence")
    search.best_per_noise("kept")
    first = sum(tried)
    assert first <= len(GRID.spaces) * len(GRID.starts)
    assert search.best_per_noise("kept")
    assert sum(tried) == first
    space, start = search.best_per_noise("kept")[-1]
    assert search.start("kept", space) == start
    assert sum(tried) == first
