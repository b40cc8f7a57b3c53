"""Class means, and features made round within classes."""

import numpy as np
import torch
import torch.nn.functional as F

from syntrans_training.modules.whiten import class_means, fit_whitening


def clouds(seed=0):
    """3 classes in 5 dimensions, spread widely along the first axis, unequal in number."""
    rng = np.random.default_rng(seed)
    labels = np.repeat([0, 1, 2], [40, 80, 160])
    noise = rng.normal(0, [2.0, 0.3, 0.3, 0.3, 0.3], (len(labels), 5))
    values = np.eye(5)[labels + 1] * 3 + noise
    return torch.from_numpy(values.astype(np.float32)), torch.from_numpy(labels)


def test_class_means_equal_the_naive_loop() -> None:
    values, labels = clouds()
    naive = torch.stack([values[labels == c].mean(0) for c in range(3)])
    assert torch.allclose(class_means(values, labels), naive, atol=1e-6)


def test_whitening_makes_the_spread_within_classes_round() -> None:
    values, labels = clouds()
    whitening = fit_whitening(values, labels, shrinkage=1e-6)
    moved = (F.normalize(values, dim=-1) - whitening.mean) @ whitening.matrix
    residual = moved - class_means(moved, labels)[labels]
    within = torch.stack([torch.cov(residual[labels == c].T, correction=0) for c in range(3)]).mean(0)
    assert torch.allclose(within, torch.eye(5), atol=1e-3)


def test_without_shrinkage_features_are_only_made_unit() -> None:
    values, labels = clouds()
    assert torch.allclose(fit_whitening(values, labels, shrinkage=None)(values), F.normalize(values, dim=-1))


def test_long_features_of_few_pictures_are_whitened_as_the_covariance_says() -> None:
    generator = torch.Generator().manual_seed(0)
    values, labels = torch.randn(12, 40, generator=generator), torch.arange(12) % 3
    unit = F.normalize(values, dim=-1).double()
    residual = (unit - class_means(unit, labels)[labels]) / len(values) ** 0.5
    within = residual.T @ residual
    wanted, vectors = torch.linalg.eigh(within + 0.1 * within.diagonal().mean() * torch.eye(40, dtype=torch.double))
    matrix = fit_whitening(values, labels, shrinkage=0.1).matrix
    assert torch.allclose(matrix.double(), (vectors / wanted.sqrt()) @ vectors.T, rtol=1e-4, atol=1e-4)
