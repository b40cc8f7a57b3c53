"""`syntrans config show`: every key of every config has a meaning, and is found by its name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from syntrans.cli.config_keys import CONFIGS, model_of
from syntrans.config import load
from syntrans.config.keys import keys_of
from syntrans.files.input_files import read_text

Call = Callable[..., Any]  # see conftest.py


@pytest.mark.parametrize("command", CONFIGS)
def test_every_key_has_a_meaning_in_one_sentence_or_more(command: str) -> None:
    assert [key.name for key in keys_of(model_of(command)) if not key.meaning.endswith(".")] == []


def test_a_key_is_shown_with_meaning_values_default_and_the_value_of_a_config(call: Call) -> None:
    done = call("config", "show", "distill.epochs", "--config", "world-full")
    assert (done.code, done.err) == (0, "")
    assert [line.split() for line in done.out.splitlines()] == [
        ["distill.epochs", "(train)"],
        ["Epochs", "over", "the", "base", "pictures."],
        ["values", "a", "whole", "number", "above", "0"],
        ["default", "60"],
        ["value", "12", "in", "world-full"],
    ]


def test_without_a_key_all_commands_are_shown_and_a_section_shows_its_keys(call: Call) -> None:
    out = call("config", "show").out
    assert [line for line in out.splitlines() if line.startswith("syntrans ")] == [
        f"syntrans {name}" for name in CONFIGS
    ]
    keys = json.loads(call("config", "show", "ground", "--json").out)["keys"]
    assert [key["name"] for key in keys][:3] == ["ground", "ground.prompt", "ground.images"]
    assert {key["command"] for key in keys} == {"mine"}


def test_one_command_alone_is_shown_when_it_is_named(call: Call) -> None:
    keys = json.loads(call("config", "show", "seed", "--command", "train", "--json").out)["keys"]
    assert [(key["command"], key["name"], key["default"]) for key in keys] == [("train", "seed", "0")]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["vsbird.val_check"], "unknown key 'vsbird.val_check'; did you mean vsbird.val_checks"),
        (["mine"], "unknown key 'mine'; did you mean imagined or engine or vlm.name?"),
        (["temperature", "--command", "mine"], "unknown key 'temperature'; did you mean propose.temperature?"),
        (
            ["--command", "demo"],
            "--command demo has no config; give mine, train, evaluate, imagine, flier, predict, serve",
        ),
        (["--command", "serve", "--config", "world"], "no keys of serve stand in a config file; leave --config out"),
        (["--config", "nowhere"], "'nowhere' is not among the shipped mining/configs"),
    ],
)
def test_what_is_not_there_is_answered_with_what_is_close(words: list[str], message: str, call: Call) -> None:
    done = call("config", "show", *words)
    assert done.code == 2
    assert message in done.err


def test_a_file_that_is_no_yaml_is_read_once_for_all_commands(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (broken := tmp_path / "broken.yaml").write_text("a: [")
    read: list[Path] = []

    def reading(path: Path) -> str:
        read.append(path)
        return read_text(path)

    monkeypatch.setattr(load, "read_text", reading)
    assert call("config", "show", "--config", str(broken)).code == 2
    assert read == [broken]
