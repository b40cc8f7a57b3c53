"""A demonstration that is stopped goes on where it was, and its seconds are those of all its legs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from syntrans.cli.commands import demo
from syntrans.config import load_config
from syntrans.runs.legs import LEGS
from tests.cli.conftest import MINING


@pytest.fixture
def fake_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The demonstration mines with fake models."""
    (tmp_path / "fake.yaml").write_text(MINING)

    def load(model: type, _: str, *, kind: str, overrides: list[str]) -> Any:
        assert kind == "mining/configs"
        return load_config(model, str(tmp_path / "fake.yaml"), kind=kind, overrides=overrides)

    monkeypatch.setattr("syntrans.config.load_config", load)


def stop(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.slow
@pytest.mark.usefixtures("fake_models", "world_in_cache")
def test_a_stopped_demo_asks_nobody_again_and_its_seconds_are_sums_over_both_legs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    monkeypatch.setattr(demo, "train_world", stop)
    with pytest.raises(KeyboardInterrupt):
        demo.run(out)
    first = json.loads((out / LEGS).read_text())
    mined = (out / "mine" / "journal.sqlite").read_bytes()
    monkeypatch.setattr(demo, "train_world", lambda *_: None)
    monkeypatch.setattr(demo, "evaluate_world", stop)
    with pytest.raises(KeyboardInterrupt):
        demo.run(out)
    both = json.loads((out / LEGS).read_text())
    assert (out / "mine" / "journal.sqlite").read_bytes() == mined
    assert (first.keys(), both.keys()) == ({"pictures", "mine", "train"}, {"pictures", "mine", "train", "evaluate"})
    assert all(both[name] > first[name] for name in first)  # taken up again, a stage takes a little too
