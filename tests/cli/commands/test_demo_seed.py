"""`syntrans demo --seed N`: the seed reaches the tasks too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from syntrans.cli.commands import demo


def test_the_seed_of_a_demo_is_that_of_its_tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluated: dict[str, Any] = {}
    monkeypatch.setattr(
        "syntrans_training.evaluation.evaluate.evaluate", lambda _run, config, **_: evaluated.update(config=config)
    )
    demo.evaluate_world(tmp_path, tmp_path / "out", 5)
    assert evaluated["config"].episodes.seed == 5
    assert evaluated["config"].episodes.model_fields_set == {"seed"}  # the rest is that of the training
