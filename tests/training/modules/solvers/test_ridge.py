import numpy as np
import pytest
import torch

from syntrans_training.modules.solvers.ridge import fit_ridge, leave_one_out

C, D, S = 12, 8, 6


def rand(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_a_map_without_some_classes_is_the_map_of_the_others() -> None:
    s, w = rand(C, S), rand(C, D, seed=1)
    held_out_mask = torch.zeros(2, C, dtype=torch.bool).scatter(1, torch.tensor([[0, 3], [5, 11]]), value=True)
    predicted = fit_ridge(s, w, lam=0.7, held_out_mask=held_out_mask)(rand(2, 4, S, seed=2))
    for e in range(2):
        alone = fit_ridge(s[~held_out_mask[e]], w[~held_out_mask[e]], lam=0.7)
        assert torch.allclose(predicted[e], alone(rand(2, 4, S, seed=2)[e]), atol=1e-4)


def test_leaving_one_out_predicts_each_class_from_the_others() -> None:
    s, w = rand(C, S), rand(C, D, seed=1)
    predicted = leave_one_out(s, w, lam=0.3)
    keep = torch.arange(C) != 4
    assert torch.allclose(predicted[4], fit_ridge(s[keep], w[keep], lam=0.3)(s[4:5])[0], atol=1e-4)


@pytest.mark.parametrize(("n", "size"), [(12, 6), (9, 20), (3, 5), (2, 4)])
@pytest.mark.parametrize("lam", [0.003, 0.3, 10.0])
def test_leaving_one_out_in_closed_form_is_the_loop_over_the_classes(n: int, size: int, lam: float) -> None:
    """With fewer and with more classes than numbers, and where one class is left; texts that say nothing too."""
    w = rand(n, D, seed=1).double()
    for s in (rand(n, size).double(), torch.zeros(n, size, dtype=torch.float64)):
        alone = torch.eye(n, dtype=torch.bool)
        expected = fit_ridge(s, w, lam=lam, held_out_mask=alone)(s.unsqueeze(1)).squeeze(1)
        assert torch.allclose(leave_one_out(s, w, lam=lam), expected, atol=1e-8)


def test_a_map_of_texts_that_say_nothing_predicts_the_mean_class() -> None:
    w = rand(C, D)
    assert torch.allclose(
        fit_ridge(torch.zeros(C, S), w, lam=1.0)(torch.zeros(3, S)), w.mean(0).expand(3, D), atol=1e-6
    )


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
