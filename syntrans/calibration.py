"""Logistic regression of a few numbers, and Platt's calibration of one: what a probability is worth.

Mining calibrates its judges with it; the embedded world, where the truth is known, fits what mining ships.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field, ValidationError

from syntrans.config import StrictModel, first_problem
from syntrans.errors import InputError
from syntrans.files.input_files import read_json
from syntrans.paths import shipped

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_EDGE = 1e-3  # a model that says 0 or 1 is not taken at its word
_NEWTON_STEPS = 100


class Platt(StrictModel):
    """P(true) = sigmoid(slope * logit(p) + intercept), for answers ``p`` of one model, docs/method.md (2).

    J. Platt, "Probabilistic outputs for support vector machines", 1999; here the score is the log-odds of "yes".
    ``n`` answers it was fitted on; ``revision`` of the model.
    """

    slope: float = Field(ge=0.0)
    intercept: float
    n: int = Field(ge=0)
    revision: str

    def __call__(self, p: float) -> float:
        """The calibrated probability of an answer ``p`` in [0, 1]."""
        return sigmoid(self.slope * _logit(p) + self.intercept)


class Calibration(StrictModel):
    """A calibration file: one `Platt` per model name, the prompt that was asked, and the command that made it."""

    prompt_sha256: str
    models: dict[str, Platt]
    made_by: str


def read_calibration(source: str) -> Calibration:
    """Read a calibration: a path, or a file shipped with the configs. InputError names what is wrong."""
    path = Path(source) if Path(source).is_file() else shipped("mining/configs", source)
    try:
        return Calibration.model_validate(read_json(path, "fit it again"))
    except ValidationError as error:
        raise InputError(f"calibration {path}: {first_problem(error)}; fit it again") from error


def fit_platt(p: Sequence[float], true: Sequence[bool], *, revision: str) -> Platt | None:
    """Fit a calibration to answers ``p`` and whether they were right to say yes; None if all are of one kind.

    Targets are Platt's (N+ + 1) / (N+ + 2) and 1 / (N- + 2), so that a judge that was always right stays fallible.
    A judge whose "yes" makes the truth less likely gets slope 0: its answers then tell nothing.
    """
    import numpy as np

    n_true = sum(true)
    n_false = len(true) - n_true
    if not n_true or not n_false:
        return None
    high, low = (n_true + 1) / (n_true + 2), 1 / (n_false + 2)
    x = np.array([[_logit(value)] for value in p])
    y = np.array([high if value else low for value in true])
    (slope,), intercept = fit_logistic(x, y, ridge=1e-3)
    if slope < 0:
        share = (n_true + 1) / (len(true) + 2)
        return Platt(slope=0.0, intercept=math.log(share / (1 - share)), n=len(true), revision=revision)
    return Platt(slope=float(slope), intercept=intercept, n=len(true), revision=revision)


def fit_logistic(x: NDArray[np.float64], y: NDArray[np.float64], *, ridge: float) -> tuple[NDArray[np.float64], float]:
    """Weights [d] and intercept of P(y) = sigmoid(x w + b), for ``x`` [n, d] and targets ``y`` [n] in [0, 1].

    Newton's method with halved steps. ``ridge`` penalises the weights of standardised columns, so that a column's
    unit does not matter, and keeps them finite where the data are separable. A constant column gets weight 0.
    """
    import numpy as np

    mean, spread = x.mean(axis=0), x.std(axis=0)
    spread = np.where(spread > 1e-9, spread, np.inf)
    z = np.column_stack([(x - mean) / spread, np.ones(len(x))])
    penalty = np.append(np.full(x.shape[1], ridge), 1e-9)

    def loss(w: NDArray[np.float64]) -> float:
        logits = z @ w
        return float(np.sum(np.logaddexp(0.0, logits) - y * logits) + 0.5 * np.sum(penalty * w * w))

    w = np.zeros(z.shape[1])
    for _ in range(_NEWTON_STEPS):
        p = 1 / (1 + np.exp(-z @ w))
        gradient = z.T @ (p - y) + penalty * w
        step = np.linalg.solve((z * (p * (1 - p))[:, None]).T @ z + np.diag(penalty), gradient)
        size = 1.0
        while loss(w - size * step) > loss(w) and size > 1e-6:
            size /= 2
        w = w - size * step
        if np.abs(size * step).max() < 1e-10:
            break
    weights = w[:-1] / spread
    return weights, float(w[-1] - weights @ np.where(np.isfinite(spread), mean, 0.0))


def sigmoid(x: float) -> float:
    """1 / (1 + exp(-x)), for any size of ``x``."""
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def _logit(p: float) -> float:
    clipped = min(max(p, _EDGE), 1 - _EDGE)
    return math.log(clipped / (1 - clipped))
