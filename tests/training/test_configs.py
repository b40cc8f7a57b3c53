from pathlib import Path

import pytest

from syntrans.config import load_config
from syntrans.errors import UsageError
from syntrans_training.config import EvaluateConfig, TrainConfig

CONFIGS = sorted((Path(__file__).parents[2] / "training" / "configs").rglob("*.yaml"))


def test_configs_are_found():
    assert {"world", "caltech101", "smoke", "evaluate"} <= {path.stem for path in CONFIGS}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_shipped_config_is_valid_and_states_its_claim(path):
    load_config(EvaluateConfig if path.stem == "evaluate" else TrainConfig, path, kind="training/configs")
    header = path.read_text().split("\n\n")[0]
    for word in ("# Claim:", "# Command:", "# Cost:"):
        assert word in header


def test_the_defaults_of_evaluate_are_the_shipped_protocol():
    path = next(path for path in CONFIGS if path.stem == "evaluate")
    assert load_config(EvaluateConfig, path, kind="training/configs") == EvaluateConfig()


def test_an_unknown_key_is_an_error():
    with pytest.raises(UsageError, match="epoch"):
        load_config(TrainConfig, "smoke", kind="training/configs", overrides=["encoder.epoch=3"])
