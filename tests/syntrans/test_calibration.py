"""Logistic regression and Platt's calibration, against cases whose answer is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syntrans.calibration import Calibration, Platt, fit_logistic, fit_platt, read_calibration, sigmoid
from syntrans.errors import InputError


def test_the_weights_are_those_of_scikit_learn() -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    rng = np.random.default_rng(0)
    x = rng.standard_normal((300, 3))
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    y = (rng.random(300) < 1 / (1 + np.exp(-(x @ [1.5, -2.0, 0.0] + 0.5)))).astype(float)
    weights, intercept = fit_logistic(x, y, ridge=2.0)
    other = linear.LogisticRegression(C=0.5, tol=1e-10).fit(x, y)
    assert weights == pytest.approx(other.coef_[0], abs=1e-5)
    assert intercept == pytest.approx(other.intercept_[0], abs=1e-5)


def test_the_unit_of_a_column_does_not_matter() -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((100, 2))
    y = (x[:, 0] > 0).astype(float)
    weights, intercept = fit_logistic(x, y, ridge=1.0)
    scaled, same = fit_logistic(x * [1000.0, 1.0] + [7.0, 0.0], y, ridge=1.0)
    assert scaled * [1000.0, 1.0] == pytest.approx(weights, rel=1e-5)
    assert same + 7 * scaled[0] == pytest.approx(intercept, abs=1e-5)


def test_a_constant_column_gets_no_weight() -> None:
    weights, _ = fit_logistic(np.array([[1.0, 3.0], [2.0, 3.0], [0.0, 3.0]]), np.array([1.0, 1.0, 0.0]), ridge=1.0)
    assert weights[1] == 0
    assert np.isfinite(weights).all()


def test_an_overconfident_judge_is_believed_as_far_as_it_was_right() -> None:
    p = [0.9999] * 100 + [0.0001] * 100
    true = [True] * 80 + [False] * 20 + [False] * 90 + [True] * 10
    fitted = fit_platt(p, true, revision="r")
    assert fitted is not None
    assert fitted(0.9999) == pytest.approx(0.8, abs=0.02)
    assert fitted(0.0001) == pytest.approx(0.1, abs=0.02)
    assert fitted.n == 200


def test_a_judge_that_says_the_opposite_tells_nothing() -> None:
    fitted = fit_platt([0.9] * 30 + [0.1] * 30, [False] * 30 + [True] * 30, revision="r")
    assert fitted is not None
    assert fitted.slope == 0
    assert fitted(0.9) == fitted(0.1) == pytest.approx(0.5, abs=0.01)


def test_answers_of_one_kind_fit_nothing() -> None:
    assert fit_platt([0.9, 0.8], [True, True], revision="r") is None


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=2, max_size=30), st.floats(0, 1), st.floats(0, 1))
def test_a_calibration_is_a_probability_and_keeps_the_order(
    pairs: list[tuple[float, bool]], low: float, high: float
) -> None:
    fitted = fit_platt([p for p, _ in pairs], [true for _, true in pairs], revision="r")
    if fitted is not None:
        low, high = sorted((low, high))
        assert 0 <= fitted(low) <= fitted(high) + 1e-12 <= 1 + 1e-9


@pytest.mark.parametrize("x", [-1e4, -1.0, 0.0, 1.0, 1e4])
def test_the_sigmoid_takes_any_number(x: float) -> None:
    assert sigmoid(x) + sigmoid(-x) == pytest.approx(1)


def test_a_calibration_file_is_read_back(tmp_path: Path) -> None:
    written = Calibration(
        prompt_sha256="p", models={"a": Platt(slope=1, intercept=0, n=3, revision="r")}, made_by="a test"
    )
    (tmp_path / "c.json").write_text(written.model_dump_json())
    assert read_calibration(str(tmp_path / "c.json")) == written


@pytest.mark.parametrize("text", ["", "{}", '{"prompt_sha256": "p", "models": {"a": {"slope": -1}}, "made_by": ""}'])
def test_a_broken_calibration_file_is_named(text: str, tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"c\.json"):
        read_calibration(str(path))
