"""What a command does to the world outside: no program is started and nobody is spoken to, but those on a list."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import outside
import pytest
import typer
import yaml
from outside import Watch

from syntrans.cli.app import app, run


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
ridge: {episodes: 20, shrinkages: [null, 1.0], lambdas: [1.0], alpha_step: 0.5}
vsbird:
  {seeds: 1, steps: 2, feature_powers: [1.0], spread_factors: [1.0], prior_shrinkages: [1.0], shrinkages: [1.0],
   lambdas: [1.0]}
baselines: {names: [simpleshot], episodes: 10}
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
        "serve": ["--support", str(picture_tree), "--encoder", "photo", "--text", "none", "--port", "0"],
        "imagine": [*imagined, "--set", "per_class=1", "--set", "steps=1", "--out", str(tmp_path / "imagined")],
    }


ENDS_WITH = {"doctor": 4}  # the fake engine knows one schema, and it is not the probe's


async def one_request(server: Any) -> None:
    """In place of a server's loop: the page is asked for once, and that is all."""
    port = server.servers[0].sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET / HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
    assert b" 200 " in await reader.readline()
    writer.close()


@pytest.mark.slow
def test_no_command_starts_a_program_or_speaks_to_anybody_who_is_not_on_the_list(
    commands: dict[str, list[str]], watch: Watch, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("uvicorn.Server.main_loop", one_request)
    for name, arguments in commands.items():
        assert run([name, *arguments]) == ENDS_WITH.get(name, 0), f"{name}: {capsys.readouterr().err}"
        assert watch.broken == [], name


@pytest.mark.slow
def test_a_worker_starts_no_program_and_speaks_to_nobody_either(
    commands: dict[str, list[str]], watch: Watch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes, here = tmp_path / "notes", str(Path(outside.__file__).parent)
    (tmp_path / "sitecustomize.py").write_text(
        f"import sys\nsys.path.append({here!r})\nimport outside\noutside.WorkerWatch({str(notes)!r})\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    with_worker = yaml.safe_load(FAKE) | {"engine": {"kind": "fake", "workers": 1}}
    (tmp_path / "fake.yaml").write_text(yaml.safe_dump(with_worker))
    assert run(["mine", *commands["mine"]]) == 0
    assert watch.broken == []
    assert set(notes.read_text().split()) == {"watched"}


def test_the_list_of_commands_is_whole(commands: dict[str, list[str]]) -> None:
    # The demonstration is mine, train and evaluate, one after the other; to start a program that loads packages is
    # what install is for.
    program: Any = typer.main.get_command(app)
    assert {*program.commands} == {*commands, "demo", "install"}


def test_the_watch_sees_programs_and_connections(watch: Watch) -> None:
    with pytest.raises(PermissionError):
        subprocess.run([shutil.which("true") or "true"], check=False)
    with socket.socket() as other, pytest.raises(PermissionError):
        other.connect(("192.0.2.1", 80))
    with pytest.raises(PermissionError):
        socket.getaddrinfo("example.org", 80)
    assert [line.split()[0] for line in watch.broken] == ["subprocess.Popen", "socket.connect", "socket.getaddrinfo"]
    watch.broken.clear()
