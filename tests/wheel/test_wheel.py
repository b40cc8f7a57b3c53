"""The wheel holds everything that the program needs at run time, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    repository = Path(__file__).resolve().parents[2]
    target = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)]
    subprocess.run(command, cwd=repository, check=True, capture_output=True)
    return zipfile.ZipFile(next(target.glob("*.whl")))


def test_the_wheel_has_four_import_names(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {
        "syntrans",
        "syntrans_mining",
        "syntrans_training",
        "syntrans_world",
    }


@pytest.mark.parametrize(
    ("folder", "place"),
    [
        ("prompts", "syntrans/_shipped/prompts"),
        ("mining/configs", "syntrans/_shipped/mining/configs"),
        ("training/configs", "syntrans/_shipped/training/configs"),
        ("syntrans/classes/lists", "syntrans/classes/lists"),
        ("world/syntrans_world/weights", "syntrans_world/weights"),
        ("training/syntrans_training/data/splits", "syntrans_training/data/splits"),
    ],
)
def test_data_files_are_in_the_wheel(folder: str, place: str, wheel: zipfile.ZipFile, repository: Path) -> None:
    files = [path.relative_to(repository / folder) for path in (repository / folder).rglob("*") if path.is_file()]
    assert files != []
    assert {f"{place}/{file.as_posix()}" for file in files} <= set(wheel.namelist())


def test_neither_tests_nor_caches_are_in_the_wheel(wheel: zipfile.ZipFile) -> None:
    assert [name for name in wheel.namelist() if "/tests/" in name or name.endswith(".pyc")] == []


def test_the_licence_and_the_program_are_declared(wheel: zipfile.ZipFile) -> None:
    name = next(name for name in wheel.namelist() if name.endswith("METADATA"))
    metadata = Parser().parsestr(wheel.read(name).decode())
    assert metadata["License-Expression"] == "Apache-2.0"
    entry_points = wheel.read(name.replace("METADATA", "entry_points.txt")).decode()
    assert "syntrans = syntrans.__main__:main" in entry_points
