"""Shapes are checked where a function is called; that all of them can be is proved here."""

from __future__ import annotations

import importlib
import pkgutil

import numpy as np
import pytest
from jaxtyping import TypeCheckError
from shape_checker import checkers

import syntrans_training
from syntrans_training.flier.train import accuracy


def test_every_annotation_of_the_package_can_be_checked() -> None:
    for module in pkgutil.walk_packages(syntrans_training.__path__, "syntrans_training."):
        importlib.import_module(module.name)
    assert len(checkers) > 1000
    for checker in checkers.values():
        checker()


def test_a_wrong_shape_is_an_error_also_after_a_right_one() -> None:
    assert accuracy(np.eye(2, dtype=np.float32)[None], np.arange(2)).tolist() == [1.0]
    with pytest.raises(TypeCheckError):
        accuracy(np.eye(2, dtype=np.float32), np.arange(2))
