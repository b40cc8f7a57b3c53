"""`syntrans train --config flier` and `syntrans evaluate`: what they leave, refuse, and do not do twice."""

import importlib
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from tiny_diffusion import make_pipeline

from syntrans.cli.app import run as cli
from syntrans.contract.imagined import ImaginedRow, read_imagined, write_imagined
from syntrans.contract.rows import Author, DescriptorRow, FileMetadata, descriptor_id
from syntrans.contract.writing import write_descriptors
from syntrans_training.episodes.sampler import read
from syntrans_training.flier import build_tasks, tasks_of_split
from syntrans_training.imagination.diffusion_folder import open_folder

pytestmark = pytest.mark.slow  # whole trainings on imagined pictures
CLIP = "package:syntrans_world/weights/clip"


@pytest.fixture(scope="module")
def inputs(toy_data: Path, toy_classes: list[str], tmp_path_factory: pytest.TempPathFactory):
    """A descriptor file, imagined pictures of all classes, and the config's overrides."""
    pytest.importorskip("diffusers")
    folder = tmp_path_factory.mktemp("flier")
    pipeline = make_pipeline(folder / "pipeline")
    rows = [described(name) for name in toy_classes]
    meta = FileMetadata(run_id="r", class_list_sha256="0" * 64)
    write_descriptors(folder / "descriptors.parquet", rows, meta)
    shown = {
        row["class"]: row["image"]["bytes"]
        for part in ("base", "val", "novel")
        for row in pq.read_table(toy_data / f"{part}.parquet").to_pylist()
    }
    checked = open_folder(str(pipeline))
    rng = np.random.default_rng(0)
    imagined = [
        ImaginedRow(
            class_id=name, class_name=name, picture_id=f"{i:016x}", prompt="p", descriptor_ids=(), seed=i,
            image=shown[name], latent=rng.normal(size=(4, 8, 8)).astype(np.float16), similarity=0.5, margin=0.1,
            neighbour="x", reason=None, model=checked.ref, revision=checked.revision,
        )
        for name in toy_classes for i in range(2)
    ]  # fmt: skip
    told = {"model": checked.ref, "revision": checked.revision}
    write_imagined(folder / "imagined.parquet", imagined, told)
    settings = {
        "data.path": toy_data, "data.size": 20, "clip": CLIP, "imagined": folder / "imagined.parquet", "shots": "[1,2]",
        "seeds": 2, "support_pool": 6, "imagined_per_class": 2, "phase1.steps": 3, "phase2.steps": 3,
        "latent_encoder.width": 8, "fusions": "[0.0,0.3]",
    }  # fmt: skip
    return folder, [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]


def described(name: str) -> DescriptorRow:
    author = Author(model="m", revision="r", prompt="p", sample=0, seed=0, raw=name)
    return DescriptorRow(
        class_id=name, class_name=name, descriptor_id=descriptor_id(name, f"a {name}"), text=f"a {name}", facet="other",
        authors=[author], kept=True, rank=1, weight=1.0,
    )  # fmt: skip


def train(inputs, out, *more: str) -> int:
    folder, settings = inputs
    return cli(["train", str(folder / "descriptors.parquet"), "--config", "flier", *settings, "--out", str(out), *more])


def test_training_and_evaluation_leave_a_table_with_every_peer_and_control(
    inputs, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, out = tmp_path / "run", tmp_path / "evaluation"
    assert train(inputs, run) == 0
    report = json.loads((run / "flier.json").read_text())
    assert set(report["choices"]) == {"1", "2"}
    assert len(list(run.glob("val-*.safetensors"))) == 4
    capsys.readouterr()
    assert cli(["evaluate", str(run), "--out", str(out)]) == 0
    printed, said = capsys.readouterr()
    folder, settings = inputs
    assert f"pictures: {settings[1].removeprefix('data.path=')} (all novel classes" in said.splitlines()[0]
    assert (
        f"descriptors: {folder / 'descriptors.parquet'} (of the training); imagined: {folder}" in said.splitlines()[0]
    )
    first = printed.splitlines()[0]
    assert first.startswith("Latents add")
    for label in ("Tip-Adapter-F", "ProLIP", "linear probe", "pixels only", "noise as latents", "no imagined"):
        assert label in printed
    summary = json.loads((out / "summary.json").read_text())
    assert summary["protocol"]["test"] == 5 * 8
    assert set(summary["contrasts"]["1"]) == {f"flier - {row}" for row in summary["results"]["1"] if row != "flier"}
    assert len(summary["per_class"]["1"]) == 5
    assert summary["groups"].keys() == summary["results"]["1"].keys()
    confusion = pq.read_table(out / "confusion.parquet").to_pandas()
    of_flier = confusion[(confusion["row"] == "flier") & (confusion["shots"] == 1)]
    right = of_flier[of_flier["true"] == of_flier["predicted"]]["queries"].sum()
    assert of_flier["queries"].sum() == 2 * 5 * 8
    assert 100 * right / (2 * 5 * 8) == pytest.approx(summary["results"]["1"]["flier"]["mean"], abs=0.01)
    # Both are runs that have a page.
    assert cli(["report", str(run), str(out), "--out", str(tmp_path / "page")]) == 0
    # A run that is there is not run again.
    monkeypatch.setattr(tasks_of_split, "Task", None)
    assert train(inputs, run) == 0
    assert cli(["evaluate", str(run), "--out", str(out)]) == 0


def test_frozen_episodes_are_those_of_other_evaluations_and_leave_their_tables(
    inputs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, out = tmp_path / "run", tmp_path / "evaluation"
    shape = {"ways": 3, "shots": "[1,2]", "queries": 4, "episodes": 4, "val_episodes": 2}
    more = [part for key, value in shape.items() for part in ("--set", f"episodes.{key}={value}")]
    assert train(inputs, run, *more) == 0
    assert len(list(run.glob("val-*.safetensors"))) == 2 * 2
    assert cli(["evaluate", str(run), "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "4 frozen 3-way episodes" in " ".join(printed.split())
    assert "noise as latents" not in printed
    summary = json.loads((out / "summary.json").read_text())
    for shots in ("1", "2"):
        tasks = read(out / f"episodes-{shots}-shot.parquet")
        assert tasks.key == summary["episodes"]["keys"][shots]
        assert tasks.query.shape == (4, 3, 4)
        assert summary["results"][shots]["flier"]["n"] == 4
        right = pq.read_table(out / "accuracies.parquet", filters=[("shots", "=", int(shots))]).to_pandas()
        assert 100 * right["flier"].mean() == pytest.approx(summary["results"][shots]["flier"]["mean"], abs=0.001)
        lead = 100 * (right["flier"] - right["pixels_only"]).mean()
        assert lead == pytest.approx(summary["contrasts"][shots]["flier - pixels_only"]["mean"], abs=0.001)
    assert cli(["compare", f"{out}:flier", f"{out}:zero_shot"]) == 0
    assert cli(["report", str(run), str(out), "--out", str(tmp_path / "page")]) == 0


def test_phase_0_is_run_once_and_evaluated_with(inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "run"
    more = ["--set", "phase0.steps=2", "--set", "shots=[1]", "--set", "seeds=1"]
    assert train(inputs, run, *more) == 0
    assert (run / "latent_start.safetensors").is_file()
    monkeypatch.setattr(build_tasks, "imitate_clip", None)
    assert train(inputs, run, *more) == 0
    assert cli(["evaluate", str(run), "--out", str(tmp_path / "evaluation")]) == 0


def test_variations_of_a_run_are_measured_on_val_and_not_twice(
    inputs, repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert train(inputs, tmp_path / "run") == 0
    benchmark = importlib.import_module("benchmarks.flier.flier_variations")
    out = tmp_path / "found.json"
    monkeypatch.setattr(sys, "argv", ["x", str(tmp_path / "run"), "--shots", "1", "--out", str(out), "--quick"])
    benchmark.main()
    lines = json.loads(out.read_text())["lines"]
    assert list(lines) == ["as it is", "width 32"]
    assert {"flier", "lead over pixels", "latent branch alone"} == lines["width 32"]["1"].keys()
    monkeypatch.setattr(benchmark, "Measurer", lambda: None)
    benchmark.main()


def test_an_evaluation_takes_nothing_that_the_training_has_settled(
    inputs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "flier.json").write_text("{}")
    assert cli(["evaluate", str(tmp_path), "--limit", "3"]) == 2
    assert "--limit is not for FLIER's runs" in capsys.readouterr().err


def test_a_class_that_was_not_imagined_is_named_and_one_without_a_kept_picture_has_its_shots(
    inputs, toy_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, meta = read_imagined(inputs[0] / "imagined.parquet")
    lost = pq.read_table(toy_data / "val.parquet")["class"][0].as_py()
    write_imagined(tmp_path / "imagined.parquet", [row for row in rows if row.class_name != lost], meta)
    for more in (["--dry-run"], []):
        assert train(inputs, tmp_path / "run", "--set", f"imagined={tmp_path}", *more) == 3
        assert f"has no picture of 1 of 5 classes ({lost})" in capsys.readouterr().err
    dropped = [replace(row, reason="other_class") if row.class_name == lost else row for row in rows]
    write_imagined(tmp_path / "imagined.parquet", dropped, meta)
    assert train(inputs, tmp_path / "run", "--set", f"imagined={tmp_path}") == 0
    assert f"no imagined picture is kept of 1 of 5 classes ({lost})" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("episodes.queries=90", "--set episodes.queries=9"),
        ("support_pool=30", "1 shots and a test picture need more than 30"),
        ("data.path=none", "is not a folder"),
    ],
)
def test_a_dry_run_refuses_what_the_training_would(
    setting: str, told: str, inputs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(inputs, tmp_path / "run", "--set", "shots=[1]", "--set", setting, "--dry-run") == 3
    assert told in capsys.readouterr().err.splitlines()[-1]


def test_a_dry_run_refuses_a_file_without_a_class(inputs, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    meta = FileMetadata(run_id="r", class_list_sha256="0" * 64)
    write_descriptors(tmp_path / "descriptors.parquet", [described("another")], meta)
    settings = inputs[1]
    line = ["train", str(tmp_path / "descriptors.parquet"), "--config", "flier", *settings, "--dry-run"]
    assert cli(line) == 3
    assert "has no descriptors for 5 of 5 classes" in capsys.readouterr().err


def test_latents_of_another_model_are_refused(inputs, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows, meta = read_imagined(inputs[0] / "imagined.parquet")
    write_imagined(tmp_path / "imagined.parquet", rows, meta | {"revision": "0" * 16})
    assert train(inputs, tmp_path / "run", "--set", f"imagined={tmp_path}") == 3
    assert "its latents would be scaled otherwise" in capsys.readouterr().err


def test_latents_of_several_shapes_are_refused(inputs, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows, meta = read_imagined(inputs[0] / "imagined.parquet")
    odd = replace(rows[-1], latent=np.zeros((4, 4, 4), np.float16))
    write_imagined(tmp_path / "imagined.parquet", [*rows[:-1], odd], meta)
    assert train(inputs, tmp_path / "run", "--set", f"imagined={tmp_path}") == 3
    assert "latents of one shape are needed, there are 4x4x4, 4x8x8" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_latents_of_another_size_than_the_models_are_refused(
    inputs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, meta = read_imagined(inputs[0] / "imagined.parquet")
    small = [replace(row, latent=np.zeros((4, 4, 4), np.float16)) for row in rows]
    write_imagined(tmp_path / "imagined.parquet", small, meta)
    assert train(inputs, tmp_path / "run", "--set", f"imagined={tmp_path}") == 3
    assert "imagine again in the model's own size" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_without_imagined_pictures_it_says_what_to_run(
    inputs, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNTRANS_ARTIFACTS", str(tmp_path))
    assert train(inputs, tmp_path / "run", "--set", "imagined=null") == 2
    assert "run `syntrans imagine` first" in capsys.readouterr().err
