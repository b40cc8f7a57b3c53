"""Every command that a page or a config names as the source of a figure still runs.

A benchmark is run with `--quick`, on next to nothing; of the other commands the options and the settings are read.
"""

from __future__ import annotations

import argparse
import importlib
import json
import re
import shlex
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from typer.main import get_command

from syntrans.cli.app import app, run
from syntrans.cli.config_keys import CONFIGS, model_of
from syntrans.config import load_config
from syntrans.contract.rows import DescriptorRow, FileMetadata, descriptor_id
from syntrans.contract.writing import write_descriptors

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = [
    *(REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md", "Makefile", "artifacts/README.md")),
    *sorted(set(REPOSITORY.glob("docs/*.md")) - {REPOSITORY / "docs" / "commands.md"}),  # that one is of --help
    *sorted(REPOSITORY.glob("*ing/README.md")),
    *sorted(REPOSITORY.glob("*ing/configs/*.yaml")),
]
BENCHMARK = re.compile(r"python (benchmarks/\w+\.py[^\n`#;|&()]*)")
SYNTRANS = re.compile(r"(?<![\w/-])syntrans ((?:mine|train|evaluate|import|compare|report|demo) [^\n`#;|&()>]*)")
NEEDS_PHOTOGRAPHS = "cmkd-animals"  # and an encoder that takes 16 minutes


def commands(pattern: re.Pattern[str]) -> list[str]:
    """What the pages name, each once, continued lines joined."""
    found: dict[str, None] = {}
    for page in PAGES:
        text = re.sub(r"\\\n#? *", "", page.read_text(encoding="utf-8"))
        # Two blanks begin a remark; <run> and $run stand for a name.
        found |= {re.split(r" {2,}", line.strip())[0].strip(): None for line in pattern.findall(text)}
    return list(found)


BENCHMARKS = commands(BENCHMARK)
PROSE = {"import --format jsonl", "mine --limit N"}  # no whole commands
COMMANDS = [command for command in commands(SYNTRANS) if command not in PROSE]


class Read(Exception):
    """The arguments were read; what follows is of no interest."""


@pytest.fixture
def call(monkeypatch):
    """Calls main() of a file of benchmarks/ with the arguments of a command."""
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))

    def main(command: str, *more: str, **replaced: Path) -> None:
        file, *arguments = shlex.split(command)
        given = [str(replaced.get(a.rpartition("/")[2].replace(".parquet", ""), a)) for a in arguments]
        monkeypatch.setattr(sys, "argv", [file, *given, *more])
        importlib.import_module(Path(file).stem).main()

    return main


def world_descriptors(folder: Path) -> Path:
    """One true and one dropped statement of every class of the world."""
    from syntrans_world.spec import CLASSES, PHRASES

    rows = []
    for entry in CLASSES:
        for slot, value in list(entry.truth().items())[:2]:
            text = PHRASES[slot][value][0]
            kept = not rows or rows[-1].class_id != entry.id
            rows.append(
                DescriptorRow(
                    class_id=entry.id,
                    class_name=entry.name,
                    descriptor_id=descriptor_id(entry.id, text),
                    text=text,
                    facet="other",
                    authors=[],
                    kept=kept,
                    stage=None if kept else "ground",
                    reason=None if kept else "not_seen",
                    weight=1.0 if kept else None,
                )
            )
    return write_descriptors(folder / "w.parquet", rows, FileMetadata(run_id="t", class_list_sha256="0" * 64))


def fine_descriptors(folder: Path) -> Path:
    """What the header of cmkd-world.yaml makes and imports."""
    from syntrans_world.fine import descriptions

    told = folder / "world-fine.jsonl"
    told.write_text("".join(f"{line}\n" for line in descriptions("shape")))
    assert run(["import", str(told), "--format", "jsonl", "--out", str(folder / "fine")]) == 0
    return folder / "fine" / "descriptors.parquet"


def test_the_commands_are_found():
    scripts = {Path(command.split()[0]).stem for command in BENCHMARKS}
    assert {
        "beside_earlier",
        "flier_probe",
        "import_memory",
        "reliability_ray",
        "run",
        "evaluate",
        "encoder_throughput",
        "mining_throughput",
        "mining_ablation",
        "ladder",
        "cmkd",
        "fusion",
        "descriptor_count",
        "prediction_sets",
        "predict",
        "predict_run",
        "predict_speed",
        "reliability",
        "report",
        "edit",
    } == scripts
    assert len(COMMANDS) > 30


@pytest.mark.parametrize("command", BENCHMARKS)
def test_a_benchmark_takes_the_arguments_that_a_page_gives_it(command, call, monkeypatch):
    real = argparse.ArgumentParser.parse_args

    def parse(self, *args, **kwargs):
        real(self, *args, **kwargs)
        raise Read

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse)
    with pytest.raises(Read):
        call(command)


def test_the_mining_runs_that_are_timed_have_options_that_exist(call):
    mine = get_command(app).get_command(None, "mine")
    runs = [arguments for name, *arguments in importlib.import_module("run").COMMANDS.values() if name == "mine"]
    assert [mine.make_context("mine", [*arguments]).params["config"] for arguments in runs] == ["world", "world"]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_a_page_has_options_and_settings_that_exist(command):
    name, *arguments = shlex.split(command)
    group = get_command(app)
    of_command = group.get_command(group.make_context("syntrans", [name, "--help"], resilient_parsing=True), name)
    of_command.make_context(name, [*arguments], resilient_parsing=False)
    pairs = list(pairwise(arguments))
    settings = [value for key, value in pairs if key == "--set"]
    config = next((value for key, value in pairs if key == "--config"), None)
    if name in ("mine", "train") and not (config or "").endswith(".yaml"):  # that is a file of the page's own
        model = model_of("flier" if config == "flier" else name)
        load_config(model, config or "world", kind=str(CONFIGS[name][1]), overrides=settings)


def test_a_quick_run_never_replaces_the_figures_of_a_real_one(call, artifacts):
    quick = importlib.import_module("quick")
    usual = REPOSITORY / "benchmarks" / "results" / "evaluate.json"
    assert quick.target(None, usual, quick=False) == usual
    assert quick.target(None, usual, quick=True).is_relative_to(artifacts)


@pytest.mark.slow
@pytest.mark.parametrize(
    "script",
    ["run.py", "mining_memory.py", "import_memory.py", "encoder_throughput.py", "evaluate.py", "report.py"],
)
def test_a_benchmark_that_needs_no_file_runs(script, call, capsys):
    call(f"benchmarks/{script}", "--quick")
    assert capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "row"), [("ladder", "+ descriptors, kept"), ("cmkd", "no teacher"), ("mining_ablation", "after merge")]
)
def test_a_benchmark_of_training_runs_with_the_arguments_of_its_page(script, row, call, artifacts, tmp_path, capsys):
    named = [c for c in BENCHMARKS if Path(c.split()[0]).stem == script and NEEDS_PHOTOGRAPHS not in c]
    descriptors = fine_descriptors(tmp_path) if script == "cmkd" else world_descriptors(tmp_path)
    call(named[0], "--quick", descriptors=descriptors)
    assert row in capsys.readouterr().out
    (written,) = artifacts.glob("bench/*/*.json")
    assert json.loads(written.read_text())["command"].endswith("--quick")


@pytest.mark.slow
def test_the_cost_of_an_evaluation_is_measured_and_drawn(call, artifacts):
    call("benchmarks/evaluate.py --plot", "--quick")
    assert {path.suffix for path in artifacts.glob("bench/*/evaluate_cost.*")} == {".json", ".png"}


@pytest.mark.vllm
def test_minings_throughput_is_measured_beside_bare_vllm(call, artifacts, capsys):
    call("benchmarks/mining_throughput.py", "--quick", "--only", "world crosscheck")
    assert "ratio" in capsys.readouterr().out
    assert next(artifacts.glob("bench/*/mining_throughput.json")).is_file()
