"""What a command does to the world outside: no program is started and nobody is spoken to, but those on a list."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from syntrans.cli.app import app, run

PROGRAMS = {
    "git": "the commit of a checkout, for run.json",
    "uname": "`platform` asks it for the name of the processor",
    "ldconfig": "`ctypes.util.find_library` in libraries, for the system's own ones",
    "fc-list": "matplotlib asks it once for the system's fonts",
    "lscpu": "joblib, below scikit-learn, counts the cores with it",
}
STARTS = (
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "os.fork",
    "os.forkpty",
    "pty.spawn",
)
CALLS = ("socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg")
LOOKUPS = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")
HERE = ("127.0.0.1", "::1", "localhost")


class Watch:
    """Notes and forbids what is not on the list, while it is ``on``. Python has no way to take a hook away again."""

    def __init__(self) -> None:
        self.on = False
        self.broken: list[str] = []
        sys.addaudithook(self.look)

    def look(self, event: str, values: tuple[Any, ...]) -> None:
        if self.on and not self.allowed(event, values):
            self.broken.append(f"{event} {values!r:.300}")
            raise PermissionError(f"{event} is not on the list")

    def allowed(self, event: str, values: tuple[Any, ...]) -> bool:
        if event in STARTS:
            return event == "subprocess.Popen" and os.path.basename(os.fspath(values[0])) in PROGRAMS  # noqa: PTH119
        if event in CALLS:
            connection, address = values[0], values[-1]
            return connection.family == socket.AF_UNIX or address[0] in HERE
        return event not in LOOKUPS or values[0] in (*HERE, None)


@pytest.fixture(scope="module")
def hook() -> Watch:
    return Watch()


@pytest.fixture
def watch(hook: Watch) -> Iterator[Watch]:
    hook.broken, hook.on = [], True
    yield hook
    hook.on = False


FAKE = """
llms: [{name: a, path: a}, {name: b, path: b}]
vlm: {name: v, path: v}
clip: {path: fake}
crosscheck: {threshold: 0.4}
ground: {threshold: 0.3}
filter: {margin: -0.2}
engine: {kind: fake, workers: 0}
"""
TRAIN = """
device: cpu
data: {path: FEATURES}
encoder: {method: precomputed}
text: {encoder: ENCODER}
bridge: {episodes: 20, shrinkages: [null, 1.0], lambdas: [1.0], alpha_step: 0.5}
vsbird:
  {seeds: 1, steps: 2, feature_powers: [1.0], spread_factors: [1.0], prior_shrinkages: [1.0], shrinkages: [1.0],
   lambdas: [1.0]}
methods: {names: [simpleshot], episodes: 10}
episodes: {shots: [1], queries: 4, episodes: 20}
"""


@pytest.fixture
def commands(
    tmp_path: Path,
    picture_tree: Path,
    toy_data: Path,
    features: Path,
    tiny_text_encoder: Path,
    write_toy_descriptors: Callable,
) -> dict[str, list[str]]:
    """Every command with small input of its own, in an order in which each finds what it needs."""
    (tmp_path / "fake.yaml").write_text(FAKE)
    (tmp_path / "train.yaml").write_text(
        TRAIN.replace("FEATURES", str(features)).replace("ENCODER", str(tiny_text_encoder))
    )
    (tmp_path / "cupl.json").write_text('{"goldfinch": ["A goldfinch has yellow wings."], "wren": ["It is brown."]}')
    (tmp_path / "birds.txt").write_text("goldfinch\nhouse finch\n")
    mine, trained, scored = (str(tmp_path / name) for name in ("mine", "trained", "scored"))
    given = ["--classes", str(tmp_path / "birds.txt"), "--images", str(picture_tree)]
    fake = ["--config", str(tmp_path / "fake.yaml")]
    known = ["--support", str(picture_tree), "--query", str(picture_tree)]
    imagined = ["--descriptors", f"{mine}/descriptors.parquet", "--config", "imagine-world"]
    quick = ["--set", "episodes.shots=[1]", "--set", "episodes.queries=4", "--limit", "20"]
    return {
        "doctor": [*fake, "--probe"],
        "classes": ["check", str(tmp_path / "birds.txt")],
        "data": ["check", str(toy_data), "--set", "size=20"],
        "predict": [*known, "--encoder", "photo", "--text", "none"],
        "mine": [*given, *fake, "--out", mine],
        "inspect": [mine],
        "pack": [mine],
        "import": [str(tmp_path / "cupl.json"), "--format", "cupl"],
        "train": [str(write_toy_descriptors()), "--config", str(tmp_path / "train.yaml"), "--out", trained],
        "evaluate": [trained, *quick, "--out", scored],
        "compare": [scored, f"{scored}:no_text"],
        "report": [trained, "--figure", "weights", "--out", str(tmp_path / "figures")],
        "edit": [mine, "--class", "goldfinch", "--add", "a yellow body", "--out", str(tmp_path / "edited")],
        "config": ["show", "filter.margin"],
        "imagine": [*imagined, "--set", "per_class=1", "--set", "steps=1", "--out", str(tmp_path / "imagined")],
    }


ENDS_WITH = {"doctor": 4}  # the fake engine knows one schema, and it is not the probe's


@pytest.mark.slow
def test_no_command_starts_a_program_or_speaks_to_anybody_who_is_not_on_the_list(
    commands: dict[str, list[str]], watch: Watch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, arguments in commands.items():
        assert run([name, *arguments]) == ENDS_WITH.get(name, 0), f"{name}: {capsys.readouterr().err}"
        assert watch.broken == [], name


def test_the_list_of_commands_is_whole(commands: dict[str, list[str]]) -> None:
    # The demonstration is mine, train and evaluate, one after the other, on models that need workers; to start a
    # program that loads packages is what install is for; the server is predict until it is stopped, and that it
    # listens on this machine alone is a test of its own.
    assert {*typer.main.get_command(app).commands} == {*commands, "demo", "install", "serve"}


def test_the_watch_sees_programs_and_connections(watch: Watch) -> None:
    with pytest.raises(PermissionError):
        subprocess.run([shutil.which("true") or "true"], check=False)
    with socket.socket() as other, pytest.raises(PermissionError):
        other.connect(("192.0.2.1", 80))
    with pytest.raises(PermissionError):
        socket.getaddrinfo("example.org", 80)
    assert [line.split()[0] for line in watch.broken] == ["subprocess.Popen", "socket.connect", "socket.getaddrinfo"]
    watch.broken.clear()
