"""Probabilities and prediction sets rest on supports that were left out, and promise no more than these can."""

import numpy as np
import pytest

from syntrans_training.prediction.calibration import LEAST_PROMISE, SCALES, Calibration, calibrate
from syntrans_training.prediction.class_means import SCALE, class_directions
from syntrans_training.prediction.space import unit

D = 12


def task(shots: int, *, classes: int = 4, noise: float = 0.3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    means, labels = rng.normal(size=(classes, D)), np.repeat(np.arange(classes), shots)
    return unit((means[labels] + noise * rng.normal(size=(len(labels), D))).astype(np.float32)), labels


def calibrated(shots: int, coverage: float = 0.9, *, noise: float = 0.3) -> Calibration:
    supports, labels = task(shots, noise=noise)
    return calibrate(class_directions(supports, labels, None, 4), supports, labels, coverage)


def test_one_picture_a_class_promises_nothing() -> None:
    assert calibrated(1) == Calibration(SCALE, None, None, 0)


@pytest.mark.parametrize(("shots", "coverage"), [(2, 0.9), (5, 0.9), (5, 0.95), (10, 0.8)])
def test_a_promise_is_that_of_the_left_out_supports(shots: int, coverage: float) -> None:
    made_of = calibrated(shots, coverage)
    assert made_of.left_out == 4 * shots
    if made_of.promised is not None:
        assert made_of.promised >= min(coverage, LEAST_PROMISE)
        assert (made_of.promised * (made_of.left_out + 1)) == pytest.approx(round(made_of.promised * (4 * shots + 1)))


def test_too_few_supports_for_the_least_promise_make_none() -> None:
    assert calibrated(2).threshold is None
    assert calibrated(3).threshold is not None


def test_an_easy_task_is_surer_than_a_hard_one() -> None:
    scales = [calibrated(10, noise=noise).scale for noise in (0.1, 3.0)]
    assert scales[0] > scales[1]
    assert all(SCALES[0] <= scale <= SCALES[-1] for scale in scales)


def test_rows_of_probabilities_make_one_and_keep_the_order() -> None:
    cosines = np.random.default_rng(0).uniform(-1, 1, (6, 4))
    probabilities = Calibration(20.0, None, None, 0).probabilities(cosines)
    assert probabilities.sum(1) == pytest.approx(1)
    assert (probabilities.argsort(1) == cosines.argsort(1)).all()


def test_without_a_promise_a_set_holds_the_likeliest_classes_up_to_the_coverage() -> None:
    probabilities = np.array([[0.6, 0.3, 0.1], [0.05, 0.05, 0.9]])
    sets = Calibration(20.0, None, None, 0).sets(probabilities, 0.8)
    assert sets.tolist() == [[True, True, False], [False, False, True]]


def test_with_a_promise_a_set_holds_what_reaches_the_threshold_and_may_be_empty() -> None:
    probabilities = np.array([[0.6, 0.3, 0.1], [0.4, 0.35, 0.25]])
    assert Calibration(20.0, 0.5, 0.9, 9).sets(probabilities, 0.8).tolist() == [[True, False, False], [False] * 3]
