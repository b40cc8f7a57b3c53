"""Classes that a trained bridge makes, here one that was never trained: its closed form."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from syntrans_training.modules.shared_space import Metric, Phi
from syntrans_training.modules.vsbird import VSBird
from syntrans_training.prediction.class_means import SCALE
from syntrans_training.prediction.trained_bridge import TrainedBridge, alpha_without_text
from syntrans_training.text.task_alpha import ClassSpread

D, S, K = 6, 4, 3
SPREAD = ClassSpread(torch.ones(D), torch.full((D,), 0.6), torch.full((D,), 0.3), torch.ones(1))
LABELS = np.repeat(np.arange(2), K)


def rand(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.fixture
def bridge() -> TrainedBridge:
    base, texts = (torch.from_numpy(rand(9, n, seed=n)) for n in (D, S))
    head = VSBird(Metric(torch.eye(D), torch.full((D,), 2.0)), base, texts, generator=False, residual=False, gate=False)
    return TrainedBridge(Phi(1.0, torch.zeros(D)), head.eval(), 0.25)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.5, 0.8])
def test_texts_that_explain_nothing_leave_alpha_as_it_is_without_them(alpha: float) -> None:
    assert alpha_without_text(alpha, replace(SPREAD, text=torch.zeros(D))) == pytest.approx(alpha, abs=1e-6)


def test_texts_that_explain_half_of_how_classes_differ_leave_half_the_odds_without_them() -> None:
    assert alpha_without_text(0.5, SPREAD) == pytest.approx(0.25, abs=1e-6)


def test_without_text_the_mean_of_all_classes_stands_in_its_place(bridge: TrainedBridge) -> None:
    supports, pictures = rand(2 * K, D), rand(5, D, seed=1)
    scored = replace(bridge, reads_text=False).classes(supports, LABELS, None, 2).scores(pictures)
    total = K + 0.5 * 2.0  # a K + b precision
    means = np.stack([supports[c == LABELS].mean(0) for c in range(2)]) * K / total
    expected = (pictures @ means.T - np.square(means).sum(1) / 2) / (1 + 1 / total) / SCALE
    assert np.allclose(scored, expected, atol=1e-5)


@pytest.mark.parametrize("text", [False, True])
def test_pictures_of_doubtful_classes_make_classes_less_sure_where_no_text_says_more(
    bridge: TrainedBridge, text: bool
) -> None:
    supports = rand(2 * K, D)
    texts = rand(2, D, seed=2) if text else None
    counted = bridge.classes(supports, LABELS, texts, 2).with_queries(0.1 * rand(20, D, seed=3))
    assert counted.purity < 1

    def spread(purity: float) -> float:
        return float(np.ptp(replace(counted, purity=purity).scores(supports), axis=1).mean())

    assert spread(counted.purity) == spread(1.0) if text else spread(counted.purity) < spread(1.0)
