"""What a command takes when nothing is named."""

from __future__ import annotations

import os
from pathlib import Path

from syntrans.cli import inputs as cli_inputs

GOLDEN = Path(__file__).resolve().parents[1] / "contract" / "assets" / "descriptors.parquet"


def test_training_takes_the_newest_descriptors_that_have_its_classes(artifacts: Path) -> None:
    for n, run_id in enumerate(["old", "new"]):
        path = artifacts / "mine" / run_id / "descriptors.parquet"
        path.parent.mkdir(parents=True)
        path.write_bytes(GOLDEN.read_bytes())
        os.utime(path, (n, n))
    assert cli_inputs.newest_descriptors(["Goldfinch", "crane"]) == artifacts / "mine" / "new" / "descriptors.parquet"
    assert cli_inputs.newest_descriptors(["goldfinch", "wolf"]) is None
    assert cli_inputs.newest_descriptors(["goldfinch", "Gòldfinch"]) is None
