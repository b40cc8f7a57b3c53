"""A command whose packages are missing says so in one line, with the command that installs them, and ends with 4."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from syntrans.extras import EXTRAS
from syntrans.paths import shipped_dir

GOLDEN = Path(__file__).resolve().parents[1] / "contract" / "assets" / "descriptors.parquet"
# Runs every command line that it is given in one process in which some packages cannot be found.
RUNNER = """
import contextlib, io, json, sys
from importlib.abc import MetaPathFinder

hidden, lines = json.loads(sys.argv[1])

class Hide(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in hidden:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Hide())
from syntrans.cli.app import run

found = []
for line in lines:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(line)
    found.append([code, out.getvalue(), err.getvalue()])
print(json.dumps([found, sorted(name for name in sys.modules if "." not in name)]))
"""


def run_without(
    hidden: tuple[str, ...], lines: list[list[str]], folder: Path
) -> tuple[list[tuple[int, str, str]], set[str]]:
    """(exit code, stdout, stderr) of each command line, and the top-level modules that were imported."""
    command = [sys.executable, "-c", RUNNER, json.dumps([hidden, lines])]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found, modules = json.loads(done.stdout)
    return [tuple(one) for one in found], set(modules)


ANYTHING = tuple({package for extra in EXTRAS.values() for package in extra.packages})


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for part, name in (("base", "wren"), ("val", "robin"), ("novel", "ibis")):
        folder = tmp_path / "photos" / part / name
        folder.mkdir(parents=True)
        for number in range(2):
            noise = np.random.default_rng([number, len(name)]).integers(0, 256, (12, 12, 3), np.uint8)
            Image.fromarray(noise).save(folder / f"{number}.png")
    return tmp_path / "photos"


def test_a_base_install_does_what_it_is_for(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "cupl.json").write_text(json.dumps({"wolf": ["A wolf is grey."]}))
    lines = [
        ["classes", "check", "mini"],
        ["inspect", str(GOLDEN)],
        ["inspect", str(GOLDEN), "--diff", str(GOLDEN)],
        ["import", "cupl.json", "--format", "cupl", "--out", "imported"],
        ["pack", "imported", "--out", "packed"],
        ["data", "check", "--dataset", "cub"],
        ["doctor"],
        ["--help"],
        ["data", "check", str(photos), "--set", "size=16"],
    ]
    found, modules = run_without(ANYTHING, lines, tmp_path)
    assert [(code, err) for code, _, err in found if code] == []
    assert not modules & set(ANYTHING)


PREDICT = ["predict", "--support", "birds", "--query", "new", "--encoder"]


@pytest.mark.parametrize(
    ("hidden", "line", "extra"),
    [
        ("train", ["train"], "train"),
        ("train", ["train", "--dry-run"], "train"),
        ("train", ["evaluate"], "train"),
        ("train", ["report", ".", "--figure", "all"], "train"),
        ("train", ["data", "check", "hf://org/name"], "train"),
        ("cpu", ["mine", "--config", "world"], "cpu"),
        ("cpu", ["mine", "--config", "world", "--dry-run"], "cpu"),
        ("cpu", ["demo"], "cpu"),
        ("cpu", ["mine", "--config", "gpu24", "--classes", "mini"], "cuda"),
        ("train", ["mine", "--config", "server", "--classes", "mini", "--set", "clip.path=x"], "train"),
        ("predict", [*PREDICT, "photo"], "photo"),
        ("predict", [*PREDICT, "onnx:x.onnx"], "predict"),
        ("train", [*PREDICT, "run:x"], "train"),
        ("openai", ["mine", "--config", "server", "--classes", "mini"], "openai"),
        ("openai", ["mine", "--config", "server", "--classes", "mini", "--dry-run"], "openai"),
        ("serve", ["serve", "--support", "."], "serve"),
        ("ray", ["mine", "--config", "world", "--set", "engine.kind=ray"], "ray"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_a_missing_package_is_one_line_with_the_command_that_installs_it(
    hidden: str, line: list[str], extra: str, tmp_path: Path, without: dict[str, list[tuple[int, str, str]]]
) -> None:
    code, out, err = without[hidden][LINES[hidden].index(line)]
    assert (code, out) == (4, "")
    assert len(err.splitlines()) == 1, err
    assert "not installed" in err
    assert f"run: syntrans install {extra}" in err


LINES: dict[str, list[list[str]]] = {}
for _mark in test_a_missing_package_is_one_line_with_the_command_that_installs_it.pytestmark:
    for _hidden, _line, _ in _mark.args[1]:
        LINES.setdefault(_hidden, []).append(_line)


@pytest.fixture(scope="module")
def without(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple[int, str, str]]]:
    """What the command lines of each hidden extra end with; one process an extra."""
    return {
        hidden: run_without(EXTRAS[hidden].packages, lines, tmp_path_factory.mktemp(hidden))[0]
        for hidden, lines in LINES.items()
    }


def test_the_doctor_fails_before_a_run_that_would(tmp_path: Path) -> None:
    (found,), modules = run_without(EXTRAS["cpu"].packages, [["doctor", "--config", "cpu"]], tmp_path)
    assert found[0] == 4
    assert "syntrans install cpu" in found[1]
    assert found[2] == ""
    assert not modules & {"torch", "vllm"}


def test_every_shipped_config_can_be_planned_for(tmp_path: Path) -> None:
    names = sorted(path.stem for path in shipped_dir("mining/configs").glob("*.yaml"))
    found, _ = run_without(ANYTHING, [["mine", "--classes", "mini", "--config", name] for name in names], tmp_path)
    assert {code for code, _, _ in found} == {4}
