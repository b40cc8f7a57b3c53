"""The benchmark of the bridge beside an older version."""

import importlib
from pathlib import Path

from tests.benchmarks.pages import REPOSITORY


def test_each_version_is_told_the_settings_under_its_own_names(tmp_path: Path) -> None:
    version = importlib.import_module("benchmarks.training.bridge").Version
    settings = ["ridge.episodes=4", "vsbird.steps=1", "baselines.names=[]"]
    given = [version(checkout, tmp_path).sets(settings)[1::2] for checkout in (REPOSITORY, tmp_path)]
    assert given == [settings, ["bridge.episodes=4", "vsbird.steps=1", "methods.names=[]"]]
