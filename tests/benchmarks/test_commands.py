"""Every command that a page or a config names as the source of a figure still runs.

Of a benchmark the arguments are read, of the other commands options and settings; test_quick.py runs the benchmarks.
"""

from __future__ import annotations

import argparse
import importlib
import shlex
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from typer.main import get_group

from syntrans.cli.app import app
from syntrans.cli.config_keys import CONFIGS, model_of
from syntrans.config import load_config
from tests.benchmarks.pages import BENCHMARKS, COMMANDS


class Read(Exception):
    """The arguments were read; what follows is of no interest."""


def test_the_commands_are_found() -> None:
    scripts = {Path(command.split()[0]).stem for command in BENCHMARKS}
    assert {
        "beside_earlier",
        "bridge",
        "flier_probe",
        "flier_variations",
        "import_memory",
        "lean_imports",
        "reliability_ray",
        "run",
        "evaluate",
        "encoder_throughput",
        "mining_throughput",
        "mining_ablation",
        "ladder",
        "cmkd",
        "fusion",
        "fusion_prior",
        "fusion_bound",
        "fusion_home",
        "generation1",
        "descriptor_count",
        "prediction_sets",
        "predict",
        "predict_run",
        "predict_speed",
        "text_pictures",
        "reliability",
        "report",
        "edit",
    } == scripts
    assert len(COMMANDS) > 30


@pytest.mark.parametrize("command", BENCHMARKS)
def test_a_benchmark_takes_the_arguments_that_a_page_gives_it(
    command, call: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = argparse.ArgumentParser.parse_args

    def parse(self, *args, **kwargs) -> None:
        real(self, *args, **kwargs)
        raise Read

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse)
    with pytest.raises(Read):
        call(command)


def test_the_mining_runs_that_are_timed_have_options_that_exist(call: Callable[..., None]) -> None:
    mine = get_group(app).commands["mine"]
    runs = [
        arguments
        for name, *arguments in importlib.import_module("benchmarks.program.run").COMMANDS.values()
        if name == "mine"
    ]
    assert [mine.make_context("mine", [*arguments]).params["config"] for arguments in runs] == ["world", "world"]


def _command(group, name):
    return group.get_command(group.make_context("syntrans", [name, "--help"], resilient_parsing=True), name)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_a_page_has_options_and_settings_that_exist(command) -> None:
    name, *arguments = shlex.split(command)
    of_command = _command(get_group(app), name)
    if name in ("classes", "config", "data"):
        name, *arguments = arguments
        of_command = _command(of_command, name)
    of_command.make_context(name, [*arguments], resilient_parsing=False)
    pairs = list(pairwise(arguments))
    settings = [value for key, value in pairs if key == "--set"]
    config = next((value for key, value in pairs if key == "--config"), None)
    if name in ("mine", "train") and not (config or "").endswith(".yaml"):  # that is a file of the page's own
        model = model_of("flier" if config == "flier" else name)
        load_config(model, config or "world", kind=str(CONFIGS[name][1]), overrides=settings)
