"""The command line: help, exit codes, what goes to stdout and what to stderr."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import typer

from syntrans import __version__
from syntrans.cli.app import app, run
from syntrans.cli.commands import COMMANDS, classes_check
from syntrans.cli.commands import mine as mine_command
from syntrans.errors import PartialResult, SyntransError, UsageError

Call = Callable[..., Any]  # see conftest.py


def commands() -> dict[str, typer.core.TyperCommand]:
    root = typer.main.get_group(app)
    listed: dict[str, Any] = {}
    for name, command in root.commands.items():
        below = getattr(command, "commands", None)
        listed.update({f"{name} {key}": value for key, value in below.items()} if below else {name: command})
    return listed


def test_the_version_is_that_of_the_package(call: Call) -> None:
    assert call("--version") == (0, f"syntrans {__version__}\n", "")


def test_with_json_the_version_says_what_a_bug_report_needs(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", "/home/somebody/cache")
    done = call("--version", "--json")
    facts = json.loads(done.out)
    assert (done.code, done.err, facts["syntrans"]) == (0, "", __version__)
    assert facts["packages"].keys() >= {"torch", "vllm", "pyarrow"}
    assert facts["python"].endswith(".".join(map(str, sys.version_info[:3])))
    assert (facts["environment"]["HF_HUB_OFFLINE"], facts["environment"]["HF_HOME"]) == ("1", "(set)")
    assert "somebody" not in done.out


def test_json_alone_is_refused_with_where_it_goes(call: Call) -> None:
    done = call("--json")
    assert (done.code, done.out) == (2, "")
    assert done.err == "syntrans: error: --json goes with --version, or after a command (see syntrans --help)\n"


def test_all_commands_of_the_design_are_there() -> None:
    expected = {"mine", "train", "evaluate", "inspect", "import", "classes check", "demo", "doctor", "pack"}
    assert expected <= set(commands())


@pytest.mark.parametrize("name", commands())
def test_no_command_has_more_than_ten_options(name: str) -> None:
    command = commands()[name]
    options = [
        p for p in command.get_params(typer.Context(command)) if p.param_type_name == "option" and p.name != "help"
    ]
    assert command.params
    assert len(options) <= 10


@pytest.mark.parametrize("name", commands())
def test_a_list_of_commands_shows_the_first_line_of_each_help(name: str) -> None:
    command = commands()[name]
    listed = command.help
    command.get_params(typer.Context(command))  # reads the rest
    assert command.help
    assert command.help.splitlines()[0] == listed == COMMANDS[name]


@pytest.mark.parametrize("name", commands())
def test_help_fits_one_screen_and_begins_with_an_example(name: str, call: Call) -> None:
    done = call(*name.split(), "--help")
    lines = done.out.splitlines()
    assert done.code == 0
    assert len(lines) <= 40
    assert f"  syntrans {name}" in done.out
    assert lines.index(next(line for line in lines if line.startswith(f"  syntrans {name}"))) <= 5


def test_the_page_of_commands_is_current(repository: Path) -> None:
    script = repository / "scripts" / "make_docs.py"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False)
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["bogus"], "No such command 'bogus'"),
        (["mine", "--nope"], "No such option: --nope"),
        (["mine", "--limit", "0"], "--limit"),
        (["train", "--seed", "x"], "--seed"),
        (["inspect"], "Missing argument"),
        (["classes", "check"], "name a class list"),
        (["mine"], "mine needs --classes"),
        (["mine", "--classes", "mini", "--config", "nope"], "'nope' is not among the shipped mining/configs"),
        (["mine", "--config", "world", "--set", "sed=1"], "unknown key 'sed'; did you mean seed"),
        (["train", "--set", "encoder.epoch=1"], "unknown key 'encoder.epoch'; did you mean epochs"),
        (["evaluate"], "there is no checkpoint"),
        (["import", "x.json", "--format", "csv"], "one of: cupl, dclip"),
    ],
)
def test_a_wrong_command_ends_with_2_and_one_line(arguments: Sequence[str], words: str, call: Call) -> None:
    done = call(*arguments)
    assert done.code == 2
    assert done.out == ""
    assert words in done.err
    assert done.err.startswith("syntrans: error: ")
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "names no class"), (b"\x00\xff\xfe", "UTF-8"), (b"wolf\nWolf\n", "the same name 2 times")],
)
def test_a_bad_class_list_ends_mining_with_3_before_anything_is_made(
    content: bytes, words: str, call: Call, tmp_path: Path, artifacts: Path
) -> None:
    (tmp_path / "list.txt").write_bytes(content)
    done = call("mine", "--config", "world", "--classes", tmp_path / "list.txt")
    assert (done.code, done.out) == (3, "")
    assert words in done.err.splitlines()[-1]
    assert not artifacts.exists()


def test_a_missing_image_folder_ends_mining_with_3(call: Call, tmp_path: Path) -> None:
    done = call("mine", "--config", "world", "--images", tmp_path / "none")
    assert done.code == 3
    assert "is not there" in done.err


def test_a_dry_run_prints_the_plan_and_makes_nothing(call: Call, artifacts: Path) -> None:
    done = call("mine", "--config", "world", "--limit", 3, "--set", "seed=5", "--dry-run")
    assert done.code == 0
    assert done.out.startswith("config world, 3 classes, pictures: world\n")
    for part in ("llm-b", "here", "MB", "propose", "crosscheck", "ground", "no figures yet", "Describe brinan."):
        assert part in done.out
    assert not artifacts.exists()


def test_a_dry_run_without_the_models_prints_the_plan_and_ends_as_the_run_does(call: Call, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    settings = [part for model in ("clip", "vlm") for part in ("--set", f"{model}.path={tmp_path / 'here'}")]
    done, refused = (call("mine", "--config", "world", *settings, *more) for more in (["--dry-run"], []))
    assert (done.code, refused.code) == (5, 5)
    assert done.out.startswith("config world, 100 classes, pictures: world\n")
    assert "unusable" in done.out
    assert done.err.splitlines()[-1].endswith("(1 more of this kind)")


def test_a_dry_run_loads_no_heavy_package(repository: Path) -> None:
    code = (
        "import sys; from syntrans.cli.app import run; run(['mine', '--config', 'world', '--dry-run']); "
        "print(sorted({'torch', 'vllm', 'transformers', 'open_clip'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=repository)
    assert done.stderr.splitlines()[-1] == "[]"


def test_an_option_wins_over_set(call: Call) -> None:
    done = call("train", "--config", "smoke", "--set", "seed=5", "--seed", 7, "--dry-run")
    assert "\nseed: 7" in done.out


def test_without_a_config_the_one_that_fits_the_machine_is_taken(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    from syntrans import machine

    monkeypatch.setattr(machine, "gpu_memory_gib", list)
    done = call("mine", "--classes", "mini", "--dry-run")
    assert done.out.startswith("config cpu, 100 classes, pictures: none")


@pytest.mark.parametrize(("memory", "expected"), [([], "cpu"), ([8.0], "cpu"), ([24.0], "gpu24"), ([24, 80], "gpu80")])
def test_the_largest_gpu_decides_which_config_fits(
    memory: list[float], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from syntrans import machine

    monkeypatch.setattr(machine, "gpu_memory_gib", lambda: memory)
    assert machine.fitting_mining_config() == expected


@pytest.mark.parametrize("error", SyntransError.__subclasses__())
def test_every_error_has_its_exit_code_and_one_line(
    error: type[SyntransError], call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> str:
        raise error("given\nrule, what to do")

    monkeypatch.setattr(classes_check, "check_classes", fail)
    done = call("classes", "check", "mini")
    pointer = " (see syntrans classes check --help)" if issubclass(error, UsageError) else ""
    assert done == (error.exit_code, "", f"syntrans: error: given rule, what to do{pointer}\n")


def test_exit_codes_are_those_of_the_documentation() -> None:
    known = [error for error in SyntransError.__subclasses__() if error.__module__ == "syntrans.errors"]
    codes = {error.__name__: error.exit_code for error in known}
    assert codes == {
        "UsageError": 2,
        "InputError": 3,
        "EnvironmentProblem": 4,
        "ModelLoadError": 5,
        "PartialResult": 6,
    }


def test_ctrl_c_ends_with_130_and_says_how_to_go_on(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(mine_command, "run", interrupted)
    done = call("mine", "--config", "world")
    assert done.code == 130
    assert done.err == "syntrans: interrupted; the same command goes on from here where the command can resume\n"


def test_a_reader_that_goes_away_is_no_failure(repository: Path) -> None:
    program = Path(sys.executable).with_name("syntrans")
    command = f"{program} classes check tiered --json | head -c 10"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_bug_of_ours_shows_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> str:
        raise ZeroDivisionError

    monkeypatch.setattr(classes_check, "check_classes", broken)
    with pytest.raises(ZeroDivisionError):
        run(["classes", "check", "mini"])


def test_doctor_tells_what_is_installed(call: Call) -> None:
    report = json.loads(call("doctor", "--json").out)
    assert report["syntrans"] == __version__
    assert report["mining_config"] in {"cpu", "gpu24", "gpu80"}
    assert "python" in call("doctor").out


def test_a_full_disk_ends_an_import_with_4_and_leaves_nothing(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    (tmp_path / "a.json").write_text('{"wolf": ["grey fur"], "lamb": ["white wool"]}')
    done = call("import", tmp_path / "a.json", "--format", "cupl", "--out", tmp_path / "out")
    assert done.code == 4
    assert "the disk is full; free some room" in done.err
    assert list((tmp_path / "out").iterdir()) == []


def test_a_pattern_that_the_shell_has_filled_in_is_told_to_stand_in_quotes(call: Call) -> None:
    done = call("predict", "--support", "known", "--query", *(f"new/{n}.jpg" for n in range(500)))
    assert done.code == 2
    assert "new/1.jpg new/2.jpg" in done.err
    assert "belongs to no option; give each option one value, and a pattern in quotes" in done.err
    assert len(done.err) < 200


def test_partial_results_are_resumable_by_their_exit_code() -> None:
    assert PartialResult("x").exit_code == 6


def test_the_module_runs_as_a_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "syntrans.cli.app", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"syntrans {__version__}\n"
