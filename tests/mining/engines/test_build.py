"""From a spec to an engine."""

from __future__ import annotations

import pytest

from syntrans.errors import UsageError
from syntrans_mining.engines.base import EngineSpec
from syntrans_mining.engines.build import build_engine


def test_an_argument_that_a_fake_engine_does_not_know_is_named_with_those_that_it_knows() -> None:
    spec = EngineSpec("ann", "fake", "ann", args={"delay": 0.0, "dtype": "float32"})
    with pytest.raises(UsageError, match="args of model 'ann': dtype is nothing .*; the keys are fail, .*delay"):
        build_engine(spec)
