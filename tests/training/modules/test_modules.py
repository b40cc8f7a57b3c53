import numpy as np
import pytest
import torch
import torch.nn.functional as F

from syntrans_training.modules.fusion import fuse, fused_cosine
from syntrans_training.modules.ridge import fit_ridge
from syntrans_training.modules.semalign import SemAlign
from syntrans_training.modules.whiten import class_means, fit_whitening


def pairs(c=9, k=14, d=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(c, k, generator=generator), torch.randn(c, d, generator=generator)


def relative(s, lam):
    return lam * (s - s.mean(0)).square().sum(1).mean().item()


@pytest.mark.parametrize("lam", [0.1, 1.0, 10.0])
def test_dual_ridge_equals_the_primal_solve(lam: float) -> None:
    s, w = (x.double() for x in pairs())
    s0, w0 = s - s.mean(0), w - w.mean(0)
    naive = torch.linalg.inv(s0.T @ s0 + relative(s, lam) * torch.eye(14, dtype=s.dtype)) @ s0.T @ w0
    assert torch.allclose(fit_ridge(s, w, lam=lam).weight.double(), naive, atol=1e-6)


def test_ridge_equals_scikit_learn() -> None:
    from sklearn.linear_model import Ridge

    s, w = pairs()
    expected = Ridge(alpha=relative(s, 0.5)).fit(s.numpy(), w.numpy()).predict(s.numpy())
    assert np.allclose(fit_ridge(s, w, lam=0.5)(s).numpy(), expected, atol=1e-5)


def test_ridge_without_a_penalty_is_refused() -> None:
    with pytest.raises(ValueError, match="positive"):
        fit_ridge(*pairs(), lam=0.0)


def test_ridge_of_equal_class_vectors_predicts_the_mean_class() -> None:
    _, w = pairs()
    flat = torch.ones(9, 14)
    assert torch.allclose(fit_ridge(flat, w, lam=1.0)(flat), w.mean(0).expand(9, -1), atol=1e-6)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.7, 1.0])
def test_cosines_from_inner_products_equal_cosines_with_the_fused_weights(alpha: float) -> None:
    generator = torch.Generator().manual_seed(1)
    q, p, s = (F.normalize(torch.randn(4, n, 8, generator=generator), dim=-1) for n in (7, 5, 5))
    naive = q @ fuse(p, s, alpha=alpha).mT
    assert torch.allclose(fused_cosine(q @ p.mT, q @ s.mT, (p * s).sum(-1), alpha=alpha), naive, atol=1e-6)


def test_alpha_0_is_visual_and_alpha_1_is_semantic() -> None:
    p, s = pairs(d=14)
    assert torch.allclose(fuse(s, p, alpha=0.0), F.normalize(s, dim=-1))
    assert torch.allclose(fuse(s, p, alpha=1.0), F.normalize(p, dim=-1))


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


def test_the_mean_centre_is_the_mean_of_the_centres() -> None:
    torch.manual_seed(0)
    network, text, features = SemAlign(4, 6, hidden=16), torch.randn(2, 3, 4), torch.randn(2, 3, 5, 6)
    centres = network(text.unsqueeze(2).expand(2, 3, 5, 4), features)
    assert torch.allclose(network.mean_centre(text, features), centres.mean(2), atol=1e-6)
