"""A demonstration that is stopped goes on where it was, and its seconds are those of all its legs."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from syntrans.cli import demo
from syntrans.runs.legs import LEGS
from tests.cli.conftest import MINING


@pytest.fixture
def smallest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repository: Path) -> None:
    """The demonstration with fake models, and next to nothing of its training and its evaluation."""
    from syntrans_training import config

    monkeypatch.syspath_prepend(str(repository / "benchmarks"))
    quick = importlib.import_module("quick")
    (tmp_path / "fake.yaml").write_text(MINING)
    asked = {
        "mining/configs": (str(tmp_path / "fake.yaml"), []),
        "training/configs": ("world", [*quick.TRAIN, "data.per_class=20"]),
    }
    load_config, few = demo.load_config, load_few(quick.EVALUATE)

    def load_less(model: type, _: str, *, kind: str, overrides: list[str]) -> Any:
        name, less = asked[kind]
        return load_config(model, name, kind=kind, overrides=[*overrides, *less])

    monkeypatch.setattr(demo, "load_config", load_less)
    monkeypatch.setattr(config, "EvaluateConfig", lambda: few)


def load_few(settings: list[str]) -> Any:
    from syntrans.config import load_config
    from syntrans_training.config import EvaluateConfig

    return load_config(EvaluateConfig, "evaluate", kind="training/configs", overrides=settings)


@pytest.mark.slow
@pytest.mark.usefixtures("smallest")
def test_a_stopped_demo_goes_on_and_its_seconds_are_sums_over_both_legs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(demo, "_train", stop)
        with pytest.raises(KeyboardInterrupt):
            demo.run(out)
    first = json.loads((out / LEGS).read_text())
    mined = (out / "mine" / "journal.sqlite").read_bytes()
    summary = demo.run(out)
    assert (out / "mine" / "journal.sqlite").read_bytes() == mined  # nobody was asked again
    assert summary == json.loads((out / demo.SUMMARY).read_text())
    seconds = summary["seconds"]
    assert seconds.keys() == {"pictures", "mine", "train", "evaluate", "total"}
    assert first.keys() == {"pictures", "mine", "train"}
    both = json.loads((out / LEGS).read_text())
    assert all(both[name] > first[name] for name in first)  # taken up again, a stage takes a little too
    assert {name: round(value, 1) for name, value in both.items()} | {"total": seconds["total"]} == seconds
    assert seconds["total"] == round(sum(value for name, value in seconds.items() if name != "total"), 1)
