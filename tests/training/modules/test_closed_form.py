"""Closed forms without a metric, beside the textbook formula and beside the head that they stand for."""

import pytest
import torch

from syntrans_training.bridge.initialisation import (
    MapInit,
    RawFeatures,
    SpaceSettings,
    closed_form,
    transform_features,
)
from syntrans_training.bridge.spectrum import decompose
from syntrans_training.methods import SynTrans
from syntrans_training.methods.base import accuracy, right_answers
from syntrans_training.modules.closed_form import EvidenceForms, Setting, UnitForms
from syntrans_training.modules.solvers.ridge import fit_ridge, leave_one_out

D, N, E = 6, 3, 4


def rand(*shape, seed=0, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize("shots", [1, 5])
@pytest.mark.parametrize("n_base", [4, 9])
def test_weights_and_biases_are_those_of_two_gaussians(shots: int, n_base: int) -> None:
    """Mean m of the posterior, variance V of a picture around it: w = V^-1 m and b = -m V^-1 m / 2."""
    within, missed, semantic = rand(D).exp(), rand(n_base, D, seed=1), rand(N, D, seed=2)
    mean, classes = rand(E, N, D, seed=3), torch.stack([torch.randperm(N) for _ in range(E)])
    weight, bias = EvidenceForms([Setting(within, missed, 0.3, semantic)], shots)(mean, classes)
    covariance = missed.T @ missed / n_base
    covariance = (covariance + 0.3 * covariance.trace() / D * torch.eye(D, dtype=torch.float64)) / 1.3
    prior, seen = torch.linalg.inv(covariance), shots * torch.diag(1 / within)
    posterior = torch.linalg.inv(prior + seen)
    expected = (mean @ seen + semantic[classes] @ prior) @ posterior
    solved = expected @ torch.linalg.inv(torch.diag(within) + posterior)
    assert torch.allclose(weight[:, 0], solved, atol=1e-8)
    assert torch.allclose(bias[:, 0], -(expected * solved).sum(-1) / 2, atol=1e-8)


@pytest.mark.parametrize("fusion", ["evidence", "convex", "additive"])
def test_scores_are_those_of_an_untrained_head(fusion: str) -> None:
    labels = torch.arange(8).repeat_interleave(5)
    base, val = 1 + rand(40, D, dtype=torch.float32), 1 + rand(30, D, seed=1, dtype=torch.float32)
    text, of_val = rand(8, 5, seed=2, dtype=torch.float32), rand(N, 5, seed=3, dtype=torch.float32)
    space, start = SpaceSettings(0.5, 0.3, 2.0), MapInit(0.3, 0.1, 0.0)
    _, features = transform_features(RawFeatures(base, labels, val), 0.5)
    parts = {"generator": False, "residual": False, "gate": False, "fusion": fusion}
    head = SynTrans(closed_form(features, text, space, start, **parts), of_val, alpha=0.5)
    spectrum, classes = decompose(features), torch.tensor([[2, 0, 1], [0, 1, 2]])
    missed = spectrum.means - leave_one_out(text, spectrum.means, lam=start.lam)
    semantic = fit_ridge(text, spectrum.means, lam=start.lam)(of_val)
    setting = Setting(spectrum.within(space), missed, start.prior_shrinkage, semantic)
    support, query = torch.arange(12).view(2, 3, 2), torch.arange(12, 30).view(2, 9)
    expected = head.scores(features.val[support], features.val[query], classes)
    forms = EvidenceForms([setting], 2) if fusion == "evidence" else UnitForms([setting], 2, fusion == "additive")
    weight, bias = forms(spectrum.val[support].mean(2), classes)
    scores = spectrum.val[query] @ weight[:, 0].mT + bias
    scale = 10.0 if fusion != "evidence" else 1.0  # a head makes its unit weights sharper
    assert torch.allclose(scale * scores, expected, rtol=1e-3, atol=1e-3)


def test_right_answers_count_as_accuracy_does_ties_included() -> None:
    scores = rand(7, 8, 4).round()
    assert torch.allclose(right_answers(scores.mT).double().mean(-1), accuracy(scores))
