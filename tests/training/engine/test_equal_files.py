"""A training that was done before is found by its identity and copied with its log."""

from pathlib import Path

import pytest
import torch

from syntrans_training.engine import checkpoint
from syntrans_training.engine.equal_files import find_equal, take_over

NAMES = ("encoder.safetensors",)


def write(path: Path, identity: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    checkpoint.save(path, {"w": torch.ones(1)}, {"identity": identity})
    return path


def test_a_file_is_found_here_or_in_a_run_beside(tmp_path: Path) -> None:
    beside = write(tmp_path / "before" / NAMES[0], "a")
    assert find_equal(tmp_path / "now", "a", NAMES) == str(beside)
    here = write(tmp_path / "now" / NAMES[0], "a")
    assert find_equal(tmp_path / "now", "a", NAMES) == str(here)


def test_of_several_runs_beside_the_latest_by_name_is_taken(tmp_path: Path) -> None:
    for name in ("2025-01", "2025-03", "2025-02"):
        write(tmp_path / name / NAMES[0], "a")
    assert Path(find_equal(tmp_path / "now", "a", NAMES)).parent.name == "2025-03"


@pytest.mark.parametrize(("name", "identity"), [("encoder.safetensors", "b"), ("other.safetensors", "a")])
def test_another_identity_or_name_is_not_taken(name: str, identity: str, tmp_path: Path) -> None:
    write(tmp_path / "before" / name, identity)
    assert find_equal(tmp_path / "now", "a", NAMES) == ""


def test_a_damaged_file_is_passed_over(tmp_path: Path) -> None:
    path = write(tmp_path / "before" / NAMES[0], "a")
    path.write_bytes(path.read_bytes()[:-2] + b"xx")
    assert find_equal(tmp_path / "now", "a", NAMES) == ""


def test_the_copy_has_the_log_under_its_name_here(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target = write(tmp_path / "before" / NAMES[0], "a"), tmp_path / "now" / NAMES[0]
    source.with_name("metrics.jsonl").write_text("1\n")
    target.parent.mkdir()
    take_over(source, target, logs=("metrics.jsonl", "gen0.metrics.jsonl"), what="skd-gen0")
    assert target.read_bytes() == source.read_bytes()
    assert target.with_name("gen0.metrics.jsonl").read_text() == "1\n"
    assert "skd-gen0: the same as in before, taken over" in capsys.readouterr().err


def test_a_file_is_not_copied_onto_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write(tmp_path / "now" / NAMES[0], "a")
    take_over(source, source, logs=("a", "b"), what="encoder")
    assert capsys.readouterr().err == ""
