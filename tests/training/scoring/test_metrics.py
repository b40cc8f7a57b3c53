from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from syntrans_training.scoring.metrics import interval, paired


def accuracies_of(case):
    inputs = case["inputs"]
    if "accuracies" in inputs:
        return inputs["accuracies"]
    return inputs["correct_out_of_75"] / 75


@pytest.mark.parametrize("i", range(3))
def test_t_interval_equals_that_of_rfs_libfewshot_and_meta_baseline(
    reference: Callable[[str], dict[str, Any]], i: int
) -> None:
    case = reference("ci")["cases"][i]
    half_width = interval(accuracies_of(case), kind="t")
    for source in ("rfs", "libfewshot"):
        assert half_width.mean == pytest.approx(case["outputs"][source]["mean"], abs=1e-9)
        assert half_width.half_width == pytest.approx(case["outputs"][source]["half_width"], abs=1e-9)
    assert half_width.half_width == pytest.approx(case["outputs"]["meta_baseline"]["half_width"], abs=1e-9)


@pytest.mark.parametrize("i", range(3))
def test_normal_interval_is_feats_with_the_sample_deviation(reference: Callable[[str], dict[str, Any]], i: int) -> None:
    case = reference("ci")["cases"][i]
    values = accuracies_of(case)
    feat = case["outputs"]["feat"]["half_width"]  # population deviation
    half_width = interval(values)
    assert half_width.half_width == pytest.approx(feat * np.sqrt(len(values) / (len(values) - 1)), abs=1e-12)


def test_a_paired_interval_is_that_of_the_differences() -> None:
    a, b = np.array([0.5, 0.6, 0.9]), np.array([0.4, 0.6, 0.7])
    assert paired(a, b) == interval(a - b)


def test_a_difference_within_its_interval_is_not_distinguishable() -> None:
    assert paired(np.array([0.1, 0.3, 0.2]), np.array([0.2, 0.1, 0.2])).verdict == "not distinguishable at 95 %"
    assert paired(np.array([0.9, 0.8, 0.9]), np.array([0.2, 0.1, 0.2])).verdict == "better"


def test_values_of_other_episodes_are_refused() -> None:
    with pytest.raises(ValueError, match="same episodes"):
        paired(np.zeros(3), np.zeros(4))


def test_one_episode_has_no_interval() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        interval(np.zeros(1))
