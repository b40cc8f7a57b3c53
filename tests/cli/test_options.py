"""Options that commands share: the names that some have had before, and --out, which is checked before any work."""

from __future__ import annotations

from pathlib import Path

import pytest

from syntrans.cli.app import run

# A command line of each, whose inputs are not there: what is wrong with --out is said before they are looked for.
COMMANDS = {
    "mine": ["--classes", "world"],
    "train": ["nowhere.parquet"],
    "imagine": ["nowhere.parquet"],
    "evaluate": ["nowhere"],
    "report": ["nowhere"],
    "import": ["nowhere.json"],
    "pack": ["nowhere"],
    "edit": ["nowhere", "--veto", "a red breast", "--class", "robin"],
    "demo": [],
}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["evaluate", "--against"], "--against was renamed to --published (see syntrans evaluate --help)"),
        (["data", "check", "--as", "cub"], "--as was renamed to --dataset (see syntrans data check --help)"),
        (["train", "--as", "cub"], "No such option: --as"),
    ],
)
def test_a_renamed_option_is_refused_with_its_new_name(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS)
def test_a_folder_that_cannot_be_made_is_said_first(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert run([command, *COMMANDS[command], "--out", str(tmp_path / "file" / "deep" / "out")]) == 4
    assert "part of that path is a file" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "report"])
@pytest.mark.parametrize("name", ["out.html", "descriptors.parquet", "run.JSON"])
def test_a_name_of_a_file_is_refused_where_a_folder_is_written(
    command: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([command, *COMMANDS[command], "--out", str(tmp_path / name)]) == 2
    assert (
        f"--out {tmp_path / name} is named as a file, and a folder is written; name a folder" in capsys.readouterr().err
    )
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_no_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").write_text("kept")
    assert run(["import", "nowhere.json", "--out", str(tmp_path / "out")]) == 4
    assert "there is already something of another kind" in capsys.readouterr().err
    assert (tmp_path / "out").read_text() == "kept"


def test_a_folder_that_is_there_may_have_any_name_and_stays_empty_until_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "v1.json").mkdir()
    assert run(["import", "nowhere.json", "--out", str(tmp_path / "v1.json")]) == 3
    assert run(["import", "nowhere.json", "--out", str(tmp_path / "v1.2")]) == 3
    assert [path.name for path in tmp_path.rglob("*")] == ["v1.json"]
