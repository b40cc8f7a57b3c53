"""What a command takes when nothing is named."""

from __future__ import annotations

import os
from pathlib import Path

from PIL import Image

from syntrans.cli.inputs import fitting_descriptors
from syntrans_training.config.data import DataConfig

GOLDEN = Path(__file__).resolve().parents[1] / "syntrans" / "contract" / "assets" / "descriptors.parquet"


def pictures(folder: Path, *classes: str) -> DataConfig:
    """A folder of a picture for each class."""
    for name in classes:
        (folder / name).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(folder / name / "0.png")
    return DataConfig(path=str(folder))


def test_training_takes_the_newest_descriptors_that_have_its_classes(artifacts: Path, tmp_path: Path) -> None:
    for n, run_id in enumerate(["old", "new"]):
        path = artifacts / "mine" / run_id / "descriptors.parquet"
        path.parent.mkdir(parents=True)
        path.write_bytes(GOLDEN.read_bytes())
        os.utime(path, (n, n))
    newest = str(artifacts / "mine" / "new" / "descriptors.parquet")
    reason = "the newest that has all of their classes"
    assert fitting_descriptors(pictures(tmp_path / "both", "Goldfinch", "crane")) == (newest, reason)
    assert fitting_descriptors(pictures(tmp_path / "wolf", "goldfinch", "wolf")) is None
    assert fitting_descriptors(pictures(tmp_path / "twice", "goldfinch", "Gòldfinch")) is None
