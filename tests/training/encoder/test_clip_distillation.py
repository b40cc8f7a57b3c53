"""The stage `distill` of `syntrans train`: its file, its acceptance check, its anchors, and what it does but once."""

import io
import json
import shutil
from collections.abc import Callable
from contextlib import redirect_stderr
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from safetensors.torch import save_file

from syntrans.errors import InputError, ModelLoadError, UsageError
from syntrans.paths import resolve_model
from syntrans_training.config import DistillConfig, EvaluateConfig, TrainConfig
from syntrans_training.data import load_splits
from syntrans_training.data.store import Split
from syntrans_training.encoder import clip_distillation as distill
from syntrans_training.encoder.build_encoder import build_encoder
from syntrans_training.encoder.clip_teacher import open_teacher
from syntrans_training.encoder.open_encoder import open_encoder
from syntrans_training.engine import checkpoint
from syntrans_training.engine.metrics_log import read_rows
from syntrans_training.engine.run_files import DISTILL, DISTILL_METRICS, DISTILL_STATE, ENCODER
from syntrans_training.engine.trainer import fit
from syntrans_training.evaluation.evaluate import evaluate
from syntrans_training.pipeline.distill_stage import distill_stage, open_teacher_signal
from syntrans_training.pipeline.encoder_stage import encoder_stage
from syntrans_training.pipeline.train import train
from syntrans_training.text.class_vectors import read_knowledge

pytestmark = pytest.mark.slow  # an encoder is distilled in each of them
CPU = torch.device("cpu")
CLIP = "package:syntrans_world/weights/clip"


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random CLIP of 32 px in open_clip's form, with the tokenizer of the world's."""
    import open_clip

    folder = shutil.copytree(resolve_model(CLIP), tmp_path_factory.mktemp("clip") / "tiny")
    config = json.loads((folder / "open_clip_config.json").read_text())
    shape = config["model_cfg"]
    shape["embed_dim"] = 24
    shape["vision_cfg"] = {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8}
    shape["text_cfg"] |= {"width": 32, "heads": 2, "layers": 1}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    torch.manual_seed(0)
    text_config = {key: value for key, value in shape["text_cfg"].items() if key != "hf_tokenizer_name"}
    model = open_clip.CLIP(shape["embed_dim"], shape["vision_cfg"], text_config)
    weights = {name: value.contiguous().clone() for name, value in model.state_dict().items() if name != "attn_mask"}
    save_file(weights, folder / "open_clip_model.safetensors")
    return folder


@pytest.fixture(scope="module")
def config(tiny_config: Callable[..., TrainConfig], clip: Path) -> TrainConfig:
    return tiny_config(
        encoder={"epochs": 4, "augment": {"crop_area": [0.8, 1.0], "jitter": 0.1}},
        distill={"teacher": str(clip), "views": 2, "epochs": 2, "batch_size": 16, "val_every": 1, "lr": 1e-4},
        vsbird={"steps": 0},
    )


@pytest.fixture(scope="module")
def encoder_once(config: TrainConfig, toy_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained encoder in a run folder, and the caches, for this file."""
    root = tmp_path_factory.mktemp("once")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SYNTRANS_ARTIFACTS", str(root))
        splits = load_splits(str(toy_data), size=20, names=("base", "val"))
        out = root / "train" / "start"
        out.mkdir(parents=True)
        encoder_stage(config.encoder, splits["base"], splits["val"], out, seed=0, device=CPU, reuse=True)
    return root


@pytest.fixture
def warm(encoder_once: Path, artifacts: Path) -> Path:
    shutil.copytree(encoder_once, artifacts)
    return artifacts


@pytest.fixture
def splits(warm: Path, toy_data: Path) -> dict[str, Split]:
    return load_splits(str(toy_data), size=20, names=("base", "val"))


@pytest.fixture
def stage(
    config: TrainConfig, splits: dict[str, Split], warm: Path, write_toy_descriptors: Callable[..., Path]
) -> Callable[..., Any]:
    """Runs the stage after the encoder of this file; returns the note and the folder."""
    return partial(run_stage, config, splits, warm, write_toy_descriptors())


def run_stage(
    config: TrainConfig, splits: dict[str, Split], root: Path, descriptors: Path, name="one", **changes
) -> tuple[dict[str, Any], Path]:
    changed = config.model_copy(update={"distill": DistillConfig(**(config.distill.model_dump() | changes))})
    base, val = splits["base"], splits["val"]
    knowledge = read_knowledge(descriptors, [*base.classes, *val.classes])
    out = root / "train" / name
    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(root / "train" / "start" / "encoder.safetensors", out / "encoder.safetensors")
    signal = open_teacher_signal(changed, base, val, knowledge, descriptors)
    start = open_encoder(out / ENCODER, build_encoder(changed.encoder), CPU)
    _, note = distill_stage(changed, signal, start, base, val, out, device=CPU, reuse=True)
    return note, out


class Distilled(NamedTuple):
    note: dict[str, Any]
    out: Path
    said: str


@pytest.fixture(scope="module")
def distilled(
    config: TrainConfig,
    encoder_once: Path,
    toy_data: Path,
    write_descriptors_of_toys: Callable[..., Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Distilled:
    """The stage once, for the tests that only look at what it left."""
    root = shutil.copytree(encoder_once, tmp_path_factory.mktemp("distilled") / "artifacts")
    with pytest.MonkeyPatch.context() as patch, redirect_stderr(io.StringIO()) as said:
        patch.setenv("SYNTRANS_ARTIFACTS", str(root))
        splits = load_splits(str(toy_data), size=20, names=("base", "val"))
        note, out = run_stage(config, splits, root, write_descriptors_of_toys(root))
    return Distilled(note, out, said.getvalue())


def part(folder, name="encoder", file=DISTILL):
    return checkpoint.part(checkpoint.load(folder / file)[0], name)


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_an_encoder_that_is_better_on_val_than_it_was_passes_the_acceptance_check(distilled: Distilled) -> None:
    note, _, said = distilled
    assert note["gate"] == "passed"
    assert note["val_ended"] >= note["val_began"]
    assert "acceptance check passed; features come from the distilled encoder" in said


def test_the_note_has_the_looks_at_val_and_what_the_teacher_knows(distilled: Distilled) -> None:
    note, _, said = distilled
    assert list(note["val_1_shot"]) == ["0", "1", "2"]
    assert (note["val_1_shot"]["0"], note["val_1_shot"]["2"]) == (note["val_began"], note["val_ended"])
    assert {kind: len(by_variant) for kind, by_variant in note["teacher"]["zero_shot"].items()} == {"base": 2, "val": 2}
    assert [set(by_variant) for by_variant in note["zero_shot_val"].values()] == [{"name", "kept"}] * 2
    assert "teacher tiny: zero-shot" in said


def test_the_file_has_another_encoder_and_the_projector(distilled: Distilled) -> None:
    assert not same(part(distilled.out), part(distilled.out, file="encoder.safetensors"))
    assert part(distilled.out, "projector")["layers.3.weight"].shape == (24, 24)
    assert not list(distilled.out.glob("distill-state*"))


def test_the_log_has_the_losses_of_every_epoch_and_tensorboard_too(distilled: Distilled) -> None:
    rows = read_rows(distilled.out / DISTILL_METRICS)
    assert [row["epoch"] for row in rows] == [0, 1, 2]
    assert {"text", "relation", "feature", "loss", "zero_shot_val_kept", "val_accuracy_1_shot"} <= rows[-1].keys()
    assert (distilled.out / "tensorboard" / "distill.metrics").is_dir()


def test_the_gate_keeps_the_encoder_as_it_was_when_the_rate_is_absurd(stage, capsys) -> None:
    note, out = stage(lr=100.0, warmup_epochs=0, epochs=1)
    assert note["gate"] == "failed"
    assert note["val_ended"] < note["val_began"]
    assert same(part(out), part(out, file="encoder.safetensors"))
    assert note["weights"] == note["start"]
    assert not part(out, "projector")  # it would belong to another encoder
    assert "acceptance check FAILED; features come from the encoder as it was" in capsys.readouterr().err


def test_an_equal_distillation_is_neither_given_nor_asked_for_again(stage, monkeypatch) -> None:
    first, one = stage("one")
    monkeypatch.setattr(distill, "fit", lambda *_, **__: pytest.fail("distilled again"))
    assert stage("one")[0] == first
    again, two = stage("two")
    assert again == first
    assert (two / DISTILL).read_bytes() == (one / DISTILL).read_bytes()
    assert read_rows(two / DISTILL_METRICS) == read_rows(one / DISTILL_METRICS)


@pytest.mark.parametrize("change", [{"lr": 1e-3}, {"tau": 2.0}, {"views": 1}, {"loss_weights": {"text": 2.0}}], ids=str)
def test_another_distillation_is_given(stage, change, monkeypatch) -> None:
    class Given(Exception):
        pass

    def given(*_, **__) -> None:
        raise Given

    stage("one")
    monkeypatch.setattr(distill, "fit", given)
    with pytest.raises(Given):
        stage("one", **change)
    stage("one", val_every=2)  # other looks change no weight


def test_a_stage_that_was_stopped_goes_on_and_ends_in_the_same_bits(stage, stop_after) -> None:
    _, straight = stage("straight")
    (straight / DISTILL).rename(straight / "kept.safetensors")
    with stop_after("train", 8):
        stage("stopped")
    note, again = stage("stopped")
    assert same(part(straight, file="kept.safetensors"), part(again))
    assert list(note["val_1_shot"]) == ["0", "1", "2"]


def test_train_and_evaluate_take_the_distilled_encoder(config, warm, artifacts, write_toy_descriptors) -> None:
    descriptors = write_toy_descriptors()
    out = artifacts / "train" / "whole"
    report = train(config, out=out, descriptors=descriptors).report
    assert list(report["seconds"]) == ["data", "encoder", "distill", "features", "bridge", "vsbird", "methods"]
    assert report["distill"]["gate"] == "passed"
    plain = config.model_copy(update={"distill": DistillConfig()})
    without = train(plain, out=artifacts / "train" / "plain", descriptors=descriptors).report
    assert without["distill"] is None
    assert without["encoder"] == report["encoder"]
    evaluation = EvaluateConfig.model_validate(
        {"device": "cpu", "episodes": {"shots": [1], "queries": 5, "episodes": 40}, "control_draws": 1}
    )
    summaries = [
        evaluate(artifacts / "train" / name, evaluation, out=artifacts / "evaluate" / name)
        for name in ("whole", "plain")
    ]
    rows = [summary["results"]["1"]["plain_prototypes"] for summary in summaries]
    assert rows[0] != rows[1]
    revision = report["distill"]["teacher"]["revision"]
    assert [summary["distill"] for summary in summaries] == [
        {"teacher": "tiny", "revision": revision, "gate": "passed"},
        None,
    ]
    (out / DISTILL).unlink()
    with pytest.raises(InputError, match=r"holds no distill\.safetensors"):
        evaluate(out, evaluation, out=artifacts / "evaluate" / "broken")


def test_no_resume_forgets_the_distillation(config, warm, artifacts, monkeypatch) -> None:
    out = artifacts / "train" / "whole"
    train(config, out=out)
    given = []
    monkeypatch.setattr(distill, "fit", lambda *a, **k: (given.append(1), fit(*a, **k)))
    (out / DISTILL_STATE).write_bytes(b"left by a death at the very end")
    train(config, out=out)
    assert not given
    assert not (out / DISTILL_STATE).exists()
    train(config, out=out, resume=False)
    assert given


def test_what_is_no_clip_is_no_teacher(tiny_text_encoder, tmp_path, clip) -> None:
    with pytest.raises(ModelLoadError, match="a teacher is a CLIP"):
        open_teacher(str(tiny_text_encoder))
    with pytest.raises(ModelLoadError):
        open_teacher(str(tmp_path))
    assert open_teacher(str(clip)).scale == pytest.approx(1 / 0.07, rel=1e-4)
    assert open_teacher(str(clip)).size == 32


def test_a_tower_that_takes_other_pictures_is_refused_before_the_work(config, splits) -> None:
    changed = config.model_copy(
        update={"encoder": config.encoder.model_copy(update={"method": "frozen", "backbone": f"open_clip:{CLIP}"})}
    )
    with pytest.raises(UsageError, match="takes pictures of 64 px"):
        open_teacher_signal(changed, splits["base"], splits["val"], read_knowledge(None, splits["base"].classes), None)


# anchors


def test_the_anchors_of_a_run_hold_no_val_and_no_novel_name(
    config, splits, toy_classes, descriptor_row, tmp_path, capsys
) -> None:
    from syntrans.contract.rows import FileMetadata
    from syntrans.contract.writing import write_descriptors

    path = tmp_path / "told.parquet"
    base = set(splits["base"].classes)
    rows = [descriptor_row(c, f"not to be taken for a {other}") for c in toy_classes for other in toy_classes]
    write_descriptors(path, rows, FileMetadata(run_id="toy", class_list_sha256="0" * 64, prompt_sha256={}))
    known = read_knowledge(path, [*splits["base"].classes, *splits["val"].classes])
    anchors = open_teacher_signal(config, splits["base"], splits["val"], known, path).anchors
    others = set(toy_classes) - base
    assert len(others) == 10
    assert not any(other in text for other in others for text in anchors.texts)
    assert len(anchors.texts) == 2 * len(base)
    assert anchors.left_out == len(others)
    assert "16 texts of base classes; 10 left out that name another class" in capsys.readouterr().err
