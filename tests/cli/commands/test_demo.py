"""The demonstration clears the bars it was built for: real engines, real training, novel classes."""

import json
from pathlib import Path
from typing import Any

import pytest

from syntrans.cli.commands.demo import run
from syntrans.contract.reading import read_metadata
from syntrans.runs.file_names import SUMMARY
from tests.conftest import put_into_cache

pytestmark = [pytest.mark.vllm, pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def folder(drawn_world: Path, vllm_imported: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One whole demo in an artifacts folder that has the world's pictures and nothing else."""
    root = tmp_path_factory.mktemp("demo")
    put_into_cache(drawn_world, root / "artifacts")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SYNTRANS_ARTIFACTS", str(root / "artifacts"))
        run(root / "out")
    return root / "out"


@pytest.fixture(scope="module")
def summary(folder: Path) -> dict[str, Any]:
    """Its summary.json."""
    return json.loads((folder / SUMMARY).read_text())


def stage(summary: dict[str, Any], name: str) -> dict[str, Any]:
    """The line of one stage on the novel classes."""
    return next(line for line in summary["stages"] if line["split"] == "novel" and line["stage"] == name)


def test_mining_turns_noisy_proposals_into_precise_descriptors_on_novel_classes(summary: dict[str, Any]) -> None:
    assert stage(summary, "merge")["precision"] <= 0.40
    assert stage(summary, "filter")["precision"] >= 0.95
    assert stage(summary, "filter")["recall"] >= 0.60


def test_no_step_of_mining_lowers_precision(summary: dict[str, Any]) -> None:
    precisions = [stage(summary, name)["precision"] for name in ("propose", "merge", "crosscheck", "ground", "filter")]
    assert precisions == sorted(precisions)


def test_descriptors_help_at_one_shot_and_checking_them_helps_more(summary: dict[str, Any]) -> None:
    gain = summary["contrasts"]["1"]["syntrans - visual_only"]
    assert gain["mean"] - gain["half_width"] > 0
    assert summary["contrasts"]["1"]["syntrans - raw"]["mean"] >= 0
    assert summary["contrasts"]["1"]["syntrans - name_only"]["mean"] > 0


def test_the_wrong_classes_knowledge_hurts(summary: dict[str, Any]) -> None:
    assert summary["contrasts"]["1"]["shuffled - visual_only"]["mean"] < 0


def test_pictures_that_mining_saw_are_no_queries(summary: dict[str, Any]) -> None:
    assert summary["images_barred_as_queries"] == 20 * 16


def test_the_descriptors_say_that_they_were_mined_with_the_worlds_pictures(folder: Path) -> None:
    pictures = read_metadata(folder / "mine" / "descriptors.parquet").pictures
    assert pictures is not None
    assert pictures.path == "world"
