import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from syntrans.errors import InputError, UsageError
from syntrans.files.sealed_json import read_sealed_json
from syntrans_training.config import EvaluateConfig, TrainConfig
from syntrans_training.data import load_splits
from syntrans_training.engine import checkpoint
from syntrans_training.engine.run_files import SELECTED_BASELINES
from syntrans_training.evaluation.evaluate import evaluate
from syntrans_training.evaluation.table import render
from syntrans_training.evaluation.table_rows import ELSEWHERE
from syntrans_training.pipeline.train import TrainResult, train

pytestmark = pytest.mark.slow  # whole trainings, which the tests share


@pytest.fixture(scope="module")
def config(tiny_config: Callable[..., TrainConfig]) -> TrainConfig:
    return tiny_config(
        encoder={"epochs": 4, "augment": {"crop_area": [0.8, 1.0], "jitter": 0.1}},
        ridge={"episodes": 40, "lambdas": [0.3, 3.0], "shrinkages": [None, 1.0], "alpha_step": 0.25},
        vsbird={"lambdas": [0.1, 1.0]},
        baselines={"names": ["simpleshot", "ridge", "fsktn", "am3"], "steps": 4, "published_steps": 4},
        episodes={"shots": [1, 3]},
    )


EVALUATE = EvaluateConfig.model_validate(
    {"device": "cpu", "episodes": {"shots": [1, 3], "queries": 5, "episodes": 60}, "control_draws": 2, "chunk": 25}
)


@pytest.fixture(scope="module")
def trained_once(
    config: TrainConfig, write_descriptors_of_toys: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
):
    """A run on names, one on descriptors, and the caches of both, made once for this file; see `warm` and `trained`."""
    root = tmp_path_factory.mktemp("once")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SYNTRANS_ARTIFACTS", str(root / "artifacts"))
        train(config, out=root / "artifacts" / "train" / "encoder")
        descriptors = write_descriptors_of_toys(root)
        return root, train(config, out=root / "described", descriptors=descriptors)


@pytest.fixture
def warm(trained_once, artifacts: Path) -> Path:
    """This test's artifacts, with the run on names and the caches in them."""
    shutil.copytree(trained_once[0] / "artifacts", artifacts)
    return artifacts


@pytest.fixture
def trained(trained_once, warm: Path, write_toy_descriptors: Callable[..., Path]) -> TrainResult:
    """The run on descriptors as if it had been made here: its folder and its descriptor file are this test's own."""
    root, trained_there = trained_once
    folder = shutil.copytree(trained_there.folder, warm / "train" / "one")
    report = json.dumps(read_sealed_json(folder / "train.json", "train again"))
    (folder / "train.json").write_text(report.replace(str(root / "descriptors.parquet"), str(write_toy_descriptors())))
    return TrainResult(
        folder, folder / trained_there.encoder.name, folder / trained_there.bridge.name, trained_there.report
    )


def test_train_and_evaluate_leave_a_table_with_its_controls(trained, artifacts) -> None:
    out = artifacts / "evaluate" / "one"
    summary = evaluate(trained.folder, EVALUATE, out=out)
    visual = ["plain_prototypes", "simpleshot", "ridge", "visual_only"]
    semantic = ["fsktn", "am3", "am3_other", "semantic_only", "fused"]
    syntrans = ["syntrans", "syntrans_prior", "syntrans_inductive", "syntrans_transductive"]
    controls = ["no_text", "name_only", "raw", "random_words", "shuffled", "half_shuffled"]
    rows = [*visual, *semantic, *syntrans, *controls]
    assert list(summary["results"]["1"]) == rows
    assert summary == read_sealed_json(out / "summary.json", "evaluate again")
    visual = summary["results"]["1"]["visual_only"]
    assert visual["n"] == 60
    assert visual["mean"] > 30  # chance is 20
    table = pq.read_table(out / "accuracies.parquet").to_pandas()
    one = table[table.shots == 1]
    assert 100 * one.visual_only.mean() == pytest.approx(visual["mean"], abs=1e-3)
    difference = summary["contrasts"]["1"]["syntrans - visual_only"]
    assert difference["mean"] == pytest.approx(100 * (one.syntrans - one.visual_only).mean(), abs=1e-3)
    text = render(summary)
    assert "shuffled classes" in text
    assert f"{visual['mean']:.2f}" in text
    assert {"command", "git_commit", "hardware", "versions"} <= summary["made_by"].keys()


@pytest.fixture
def imagined(toy_data: Path, write_imagined_of: Callable[..., Path], tmp_path: Path) -> Path:
    """A file with two pictures of every val and novel class, real ones that stand for imagined ones."""
    shown: dict[str, list[bytes]] = {}
    for part in ("val", "novel"):
        for row in pq.read_table(toy_data / f"{part}.parquet").to_pylist():
            shown.setdefault(row["class"], []).append(row["image"]["bytes"])
    return write_imagined_of(tmp_path, {name: images[:2] for name, images in shown.items()})


def test_imagined_supports_are_a_row_beside_syntrans_whose_worth_val_chose(
    trained, config, imagined, artifacts, write_toy_descriptors
) -> None:
    with_imagined = config.model_copy(update={"imagined_supports": 2, "imagined": str(imagined)})
    again = train(with_imagined, out=trained.folder, descriptors=write_toy_descriptors())
    (one, _) = again.report["imagined"]["choices"]
    assert one["worth"] == max(one["curve"], key=lambda pair: (pair[1], -pair[0]))[0]
    assert one["curve"][0][0] == 0
    summary = evaluate(trained.folder, EVALUATE, out=artifacts / "evaluate" / "one")
    assert summary["results"]["1"]["syntrans_imagined"]["worth"] == one["worth"]
    assert {"syntrans - syntrans_imagined", "syntrans - imagined_shuffled"} <= summary["contrasts"]["3"].keys()
    assert summary["groups"]["imagined_shuffled"] == "control"


def test_alpha_of_val_stands_for_the_trainings_own_pictures_and_for_others_their_supports_move_it(
    trained, artifacts, toy_data, tmp_path
) -> None:
    elsewhere = shutil.copytree(toy_data, tmp_path / "elsewhere")
    own, other = (
        evaluate(trained.folder, EVALUATE, out=artifacts / "evaluate" / name, images=images)["results"]["1"]
        for name, images in (("own", None), ("same", str(elsewhere)))
    )
    assert "syntrans_val" not in own
    assert "syntrans_inductive" not in other
    assert other["syntrans_val"]["mean"] == own["syntrans"]["mean"]
    assert other["syntrans_val"]["temperature"] == own["syntrans"]["temperature"]
    fitted = checkpoint.load(trained.folder / SELECTED_BASELINES)[1]["temperatures"]["1"][ELSEWHERE]
    assert other["syntrans"]["temperature"] == other["syntrans_prior"]["temperature"] == round(fitted, 4)


def test_the_same_evaluation_twice_gives_the_same_numbers(trained, artifacts) -> None:
    first, again = (evaluate(trained.folder, EVALUATE, out=artifacts / "evaluate" / n) for n in ("a", "b"))
    assert first["results"] == again["results"]
    assert len(list((artifacts / "cache" / "episodes").glob("*.parquet"))) == 2  # one a shot, reused


def test_a_second_train_skips_the_encoder_and_the_features(
    trained, config, artifacts, write_toy_descriptors, monkeypatch
) -> None:
    monkeypatch.setattr("syntrans_training.encoder.training.fit", lambda *_, **__: pytest.fail("trained again"))
    monkeypatch.setattr(
        "syntrans_training.encoder.features.run_encoder", lambda *_, **__: pytest.fail("extracted again")
    )
    other = train(config, out=artifacts / "train" / "two", descriptors=write_toy_descriptors(rejected=False))
    assert other.encoder.read_bytes() == trained.encoder.read_bytes()
    assert other.report["bridge"]["identity"] != trained.report["bridge"]["identity"]


def test_another_seed_trains_another_encoder(trained, config, artifacts) -> None:
    other = train(config.model_copy(update={"seed": 1}), out=artifacts / "train" / "two")
    assert other.encoder.read_bytes() != trained.encoder.read_bytes()


def test_an_interrupted_train_goes_on_to_the_same_bits(trained, config, artifacts, stop_after) -> None:
    slow = config.model_copy(update={"encoder": config.encoder.model_copy(update={"val_every": 1})})
    out = artifacts / "elsewhere" / "two"
    with stop_after("features of val", 3):  # two batches a look: in the second one
        train(slow, out=out)
    assert not (out / "encoder.safetensors").exists()
    with (out / "metrics.jsonl").open("a") as metrics:
        metrics.write('{"epoch": 2, "lo\n')  # a full disk cuts a line short
    again = train(slow, out=out)
    weights = [checkpoint.load(r.encoder)[0] for r in (trained, again)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert list(again.report["encoder"]["val_1_shot"]) == ["1", "2", "3", "4"]  # the looks before the stop too


def test_images_seen_by_mining_are_no_queries(config, warm, artifacts, toy_data, write_toy_descriptors) -> None:
    novel = load_splits(str(toy_data), size=20, names=("novel",))["novel"]
    shown = [novel.sha256[int(np.flatnonzero(novel.labels == c)[0])] for c in range(5)]
    run = train(config, out=artifacts / "train" / "one", descriptors=write_toy_descriptors(images_seen=shown))
    summary = evaluate(run.folder, EVALUATE, out=artifacts / "evaluate" / "one")
    assert summary["data"]["seen_by_mining"] == 5
    seen = np.flatnonzero(novel.seen(shown))
    for name in summary["episodes"]["files"].values():
        queries = pq.read_table(artifacts / "evaluate" / "one" / name)["query"].to_pylist()
        assert not np.isin(np.array(queries), seen).any()


def test_without_descriptors_the_names_are_the_text(warm, artifacts) -> None:
    summary = evaluate(warm / "train" / "encoder", EVALUATE, out=artifacts / "evaluate" / "one")
    assert "shuffled" in summary["results"]["1"]
    assert not {"name_only", "raw", "random_words"} & summary["results"]["1"].keys()  # the names are the text
    assert summary["descriptors"] is None


def test_training_never_opens_the_novel_split(config, warm, artifacts, toy_data, tmp_path) -> None:
    (folder := tmp_path / "without-novel").mkdir()
    for name in ("base", "val"):
        (folder / f"{name}.parquet").write_bytes((toy_data / f"{name}.parquet").read_bytes())
    blind = config.model_copy(update={"data": config.data.model_copy(update={"path": str(folder)})})
    assert train(blind, out=artifacts / "train" / "one").bridge.exists()


def test_shots_that_were_not_trained_are_refused(trained, artifacts) -> None:
    five = EVALUATE.model_copy(update={"episodes": EVALUATE.episodes.model_copy(update={"shots": (5,)})})
    with pytest.raises(UsageError, match=r"trained for \[1, 3\]"):
        evaluate(trained.folder, five, out=artifacts / "evaluate" / "one")


def test_files_of_two_runs_in_one_folder_are_not_evaluated(trained, config, artifacts, monkeypatch) -> None:
    def interrupt(*_) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("syntrans_training.pipeline.training_run.TrainingRun.fit_ridge_baseline", interrupt)
    short = config.model_copy(update={"encoder": config.encoder.model_copy(update={"epochs": 1})})
    with pytest.raises(KeyboardInterrupt):
        train(short, out=trained.folder)
    with pytest.raises(InputError, match="of different runs"):
        evaluate(trained.folder, EVALUATE, out=artifacts / "evaluate" / "one")


@pytest.mark.parametrize("text", ["{", "{}", '{"config": {"epochs": 3}}'])
def test_a_report_that_is_none_is_named(trained, artifacts, text) -> None:
    (trained.folder / "train.json").write_text(text)
    with pytest.raises(InputError, match=r"train\.json is not (the report|JSON)"):
        evaluate(trained.folder, EVALUATE, out=artifacts / "evaluate" / "one")


def test_a_report_that_was_damaged_is_refused(trained_once, warm, artifacts) -> None:
    folder = shutil.copytree(trained_once[1].folder, warm / "train" / "two")
    report = (folder / "train.json").read_text()
    (folder / "train.json").write_text(report.replace('"images": ', '"images": 1', 1))
    with pytest.raises(InputError, match=r"train\.json is damaged"):
        evaluate(folder, EVALUATE, out=artifacts / "evaluate" / "one")


def test_descriptors_that_changed_since_training_are_not_taken_for_those_of_then(
    trained, artifacts, write_toy_descriptors
) -> None:
    write_toy_descriptors(rejected=False)
    with pytest.raises(InputError, match="has changed since"):
        evaluate(trained.folder, EVALUATE, out=artifacts / "evaluate" / "one")


def test_a_class_that_was_trained_on_is_not_novel(config, warm, artifacts, toy_data, tmp_path) -> None:
    folder = tmp_path / "leaky"
    folder.mkdir()
    for name in ("base", "val"):
        (folder / f"{name}.parquet").write_bytes((toy_data / f"{name}.parquet").read_bytes())
    leaky = config.model_copy(update={"data": config.data.model_copy(update={"path": str(folder)})})
    run = train(leaky, out=artifacts / "train" / "one")
    (folder / "base.parquet").rename(folder / "novel.parquet")
    with pytest.raises(InputError, match="is in base and in novel"):
        evaluate(run.folder, EVALUATE, out=artifacts / "evaluate" / "one")


def test_a_damaged_encoder_of_another_run_is_passed_over(config, warm, artifacts) -> None:
    (artifacts / "train" / "zzz").mkdir()
    (artifacts / "train" / "zzz" / "encoder.safetensors").write_bytes(b"garbage")
    assert train(config, out=artifacts / "train" / "one").bridge.exists()


def test_without_controls_only_the_main_text_has_heads(config, warm, artifacts, write_toy_descriptors) -> None:
    bare = config.model_copy(update={"vsbird": config.vsbird.model_copy(update={"controls": False})})
    run = train(bare, out=artifacts / "train" / "bare", descriptors=write_toy_descriptors())
    assert {choice["variant"] for choice in run.report["vsbird"]["choices"]} == {"kept"}
    rows = evaluate(run.folder, EVALUATE, out=artifacts / "evaluate" / "bare")["results"]["1"]
    assert {"syntrans", "shuffled"} <= rows.keys()
    assert not {"no_text", "name_only", "raw", "random_words"} & rows.keys()


def test_descriptors_for_a_training_on_names_are_refused(warm, write_toy_descriptors) -> None:
    with pytest.raises(UsageError, match="was trained on class names alone"):
        evaluate(warm / "train" / "encoder", EVALUATE, out=warm / "evaluate", descriptors=write_toy_descriptors())


def test_another_text_encoder_than_the_training_had_is_refused(warm, tiny_text_encoder) -> None:
    from transformers import BertModel

    run = shutil.copytree(warm / "train" / "encoder", warm / "train" / "moved")
    other = shutil.copytree(tiny_text_encoder, warm / "text")
    report = read_sealed_json(run / "train.json", "train again")
    report["config"]["text"]["encoder"] = str(other)
    (run / "train.json").write_text(json.dumps(report))
    assert evaluate(run, EVALUATE, out=warm / "evaluate")["text_encoder"]["name"] == "tiny"  # in another place
    model = BertModel.from_pretrained(other)
    model.embeddings.word_embeddings.weight.data += 1
    model.save_pretrained(other)
    with pytest.raises(InputError, match=r"is not the text encoder that the bridge was trained with \(tiny, revision"):
        evaluate(run, EVALUATE, out=warm / "evaluate")
