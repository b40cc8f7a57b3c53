"""Shapes of arrays in predict's annotations."""

import importlib.util
import sys

import numpy as np
import pytest
from jaxtyping import TypeCheckError

from syntrans_training.prediction import shapes
from syntrans_training.prediction.class_means import class_directions


def test_shapes_of_predict_are_checked_in_tests() -> None:
    supports = np.ones((4, 3), np.float32)
    with pytest.raises(TypeCheckError):
        class_directions(supports, np.zeros(5, np.int64), None, 2)


def test_without_jaxtyping_an_annotation_is_the_array_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jaxtyping", None)
    spec = importlib.util.spec_from_file_location("unchecked_shapes", shapes.__file__)
    alone = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(alone)
    assert alone.Float[np.ndarray, "n d"] is alone.UInt8[np.ndarray, "..."] is np.ndarray
