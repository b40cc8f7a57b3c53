"""L2-regularised multinomial logistic regression of many small problems at once, by their Gram matrices.

The objective of scikit-learn's `LogisticRegression(C=C)`: sum_i CE(softmax(W x_i + b), y_i) + |W|^2 / (2 C), b free;
docs/method.md (48).
With s samples in many more dimensions, W = A X for coefficients A [n, s] (representer theorem), so that all that is
needed of X is its Gram matrix G = X X^T.

Solver (derived from Boehning, "Multinomial logistic regression algorithm", 1992): the Hessian of the loss in the logits
is at most 1/2 on logits that sum to zero, wherever one stands. One inverse of (G / 2 + I / C) therefore serves every
step, each step lowers the objective without a line search, and a step is two products of [n, s] with [s, s]. Nesterov's
momentum makes it fast, with the restart of O'Donoghue and Candes (arXiv 1204.3982) for each problem on its own.
"""

import warnings
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

LOOSE = 1e-3  # a gradient, in probabilities, that moves no accuracy


def fit_logistic(
    gram: Float[Tensor, "e s s"],
    targets: Float[Tensor, "n s"],
    *,
    c: float = 1.0,
    tolerance: float = 1e-5,
    max_iterations: int = 1000,
) -> tuple[Float[Tensor, "e n s"], Float[Tensor, "e n"]]:
    """Accelerated majorisation-minimisation with adaptive restart: coefficients A and intercepts b of e problems.

    The logits of x are A (X x) + b.

    `targets` are one-hot columns, the same for every problem. Stops when in every problem no sample's gradient in the
    logits exceeds `tolerance` (probabilities); warns when `max_iterations` did not suffice.
    """
    if c <= 0:
        raise ValueError(f"C must be positive, got {c}")
    penalty = 1 / c
    problems, samples, _ = gram.shape
    inverse, column = _preconditioner(gram, penalty)
    zeros = gram.new_zeros(problems, len(targets), samples)
    now = ahead = _Point(zeros, zeros[..., :1], zeros)
    momentum = gram.new_ones(problems, 1, 1)
    for _ in range(max_iterations):
        gradient = targets - torch.softmax(ahead.logits, 1) - penalty * ahead.a
        if gradient.abs().max() <= tolerance:
            break
        b_step = gradient @ column  # keeps the coefficients' sum at zero, as a free intercept demands
        a_step = (gradient - b_step / 2) @ inverse
        a, b = ahead.a + a_step, ahead.b + b_step
        new = _Point(a, b, torch.baddbmm(b, a, gram))
        slope = (new.logits - ahead.logits) / 2 + penalty * a_step
        restart = slope.mul_(new.logits - now.logits).sum((1, 2), keepdim=True) < 0
        share, momentum = _next_momentum(momentum, restart)
        now, ahead = new, _extrapolate(now, new, 1 + share)
    else:
        # Single precision alone can keep a weakly penalised problem above a tight tolerance; that changes no answer.
        if gradient.abs().max() > LOOSE:
            warnings.warn(f"logistic regression did not converge in {max_iterations} steps; lower C", stacklevel=2)
    return ahead.a, ahead.b.squeeze(-1)


def _preconditioner(
    gram: Float[Tensor, "e s s"], penalty: float
) -> tuple[Float[Tensor, "e s s"], Float[Tensor, "e s 1"]]:
    """The inverse of Boehning's bound G / 2 + penalty I of the Hessian, and the step of the intercept by gradient."""
    eye = torch.eye(gram.shape[-1], dtype=torch.float64, device=gram.device)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(gram.double() / 2 + penalty * eye)).to(gram.dtype)
    column = inverse.sum(-1, keepdim=True)
    return inverse, 2 * column / column.sum(1, keepdim=True)


class _Point(NamedTuple):
    """Coefficients, intercepts, and the logits of the samples that they give."""

    a: Float[Tensor, "e n s"]
    b: Float[Tensor, "e n 1"]
    logits: Float[Tensor, "e n s"]


def _extrapolate(old: _Point, new: _Point, share: Float[Tensor, "e 1 1"]) -> _Point:
    """Nesterov's point ahead: from `old` through `new`, `share` of the way (above 1: beyond it)."""
    return _Point(*(torch.lerp(before, after, share) for before, after in zip(old, new, strict=True)))


def _next_momentum(
    momentum: Float[Tensor, "e 1 1"], restart: Bool[Tensor, "e 1 1"]
) -> tuple[Float[Tensor, "e 1 1"], Float[Tensor, "e 1 1"]]:
    """Nesterov's t -> (1 + sqrt(1 + 4 t^2)) / 2 and his share (t - 1) / t'; 1 and 0 where a problem restarts."""
    following = (1 + (1 + 4 * momentum.square()).sqrt()) / 2
    share = torch.where(restart, 0.0, (momentum - 1) / following)
    return share, torch.where(restart, 1.0, following)
