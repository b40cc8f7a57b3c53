"""L2-regularised multinomial logistic regression of many small problems at once, by their Gram matrices.

The objective of scikit-learn's `LogisticRegression(C=C)`: sum_i CE(softmax(W x_i + b), y_i) + |W|^2 / (2 C), b free.
With s samples in many more dimensions, W = A X for coefficients A [n, s] (representer theorem), so that all that is
needed of X is its Gram matrix G = X X^T.

Solver (derived from Boehning, "Multinomial logistic regression algorithm", 1992): the Hessian of the loss in the logits
is at most 1/2 on logits that sum to zero, wherever one stands. One inverse of (G / 2 + I / C) therefore serves every
step, each step lowers the objective without a line search, and a step is two products of [n, s] with [s, s]. Nesterov's
momentum makes it fast, with the restart of O'Donoghue and Candes (arXiv 1204.3982) for each problem on its own.
"""

import warnings

import torch
from jaxtyping import Float
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
    """Coefficients A and intercepts b of e problems; the logits of x are A (X x) + b.

    `targets` are one-hot columns, the same for every problem. Stops when in every problem no sample's gradient in the
    logits exceeds `tolerance` (probabilities); warns when `max_iterations` did not suffice.
    """
    if c <= 0:
        raise ValueError(f"C must be positive, got {c}")
    penalty = 1 / c
    problems, samples, _ = gram.shape
    eye = torch.eye(samples, dtype=torch.float64, device=gram.device)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(gram.double() / 2 + penalty * eye)).to(gram.dtype)
    column = inverse.sum(-1, keepdim=True)
    column = 2 * column / column.sum(1, keepdim=True)
    a = gram.new_zeros(problems, len(targets), samples)
    b, logits, momentum = a[..., :1], a, gram.new_ones(problems, 1, 1)
    a_ahead, b_ahead, logits_ahead = a, b, logits
    for _ in range(max_iterations):
        slope = targets - torch.softmax(logits_ahead, 1) - penalty * a_ahead
        if slope.abs().max() <= tolerance:
            break
        b_step = slope @ column  # keeps the coefficients' sum at zero, as a free intercept demands
        a_step = (slope - b_step / 2) @ inverse
        a_new, b_new = a_ahead + a_step, b_ahead + b_step
        logits_new = torch.baddbmm(b_new, a_new, gram)
        moved = logits_new - logits
        uphill = ((logits_new - logits_ahead) / 2 + penalty * a_step).mul_(moved).sum((1, 2), keepdim=True) < 0
        following = (1 + (1 + 4 * momentum.square()).sqrt()) / 2
        share = torch.where(uphill, 0.0, (momentum - 1) / following)
        momentum = torch.where(uphill, 1.0, following)
        a_ahead, b_ahead = torch.lerp(a, a_new, 1 + share), torch.lerp(b, b_new, 1 + share)
        logits_ahead = torch.lerp(logits, logits_new, 1 + share)
        a, b, logits = a_new, b_new, logits_new
    else:
        # Single precision alone can keep a weakly penalised problem above a tight tolerance; that changes no answer.
        if slope.abs().max() > LOOSE:
            warnings.warn(f"logistic regression did not converge in {max_iterations} steps; lower C", stacklevel=2)
    return a_ahead, b_ahead.squeeze(-1)
