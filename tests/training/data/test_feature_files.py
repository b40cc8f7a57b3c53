"""Features that were made elsewhere, in place of pictures; and `--stage`."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from syntrans.errors import InputError, UsageError
from syntrans.files.sealed_parquet import write_sealed
from syntrans_training.config import EvaluateConfig, TrainConfig
from syntrans_training.data import load_splits
from syntrans_training.data.check import check
from syntrans_training.data.class_split import published
from syntrans_training.data.feature_files import feature_files, given_split
from syntrans_training.data.load_splits import Decoding, Origin
from syntrans_training.evaluation.evaluate import evaluate
from syntrans_training.pipeline.train import train

SMALL = {
    "feature_powers": [1.0],
    "shrinkages": [1.0],
    "spread_factors": [1.0],
    "lambdas": [1.0],
    "prior_shrinkages": [1.0],
    "name_shares": [0.0],
}


@pytest.fixture
def config(features: Path, tiny_text_encoder: Path) -> TrainConfig:
    return TrainConfig.model_validate(
        {
            "device": "cpu",
            "data": {"path": str(features)},
            "encoder": {"method": "precomputed"},
            "text": {"encoder": str(tiny_text_encoder)},
            "ridge": {"episodes": 20, "shrinkages": [None, 1.0], "lambdas": [1.0], "alpha_step": 0.5},
            "vsbird": {"seeds": 1, "steps": 2, **SMALL},
            "baselines": {"names": ["simpleshot", "logistic"], "episodes": 10},
            "episodes": {"shots": [1], "queries": 4, "episodes": 20},
        }
    )


@pytest.mark.slow
def test_a_bridge_is_trained_and_evaluated_on_features_alone(
    config: TrainConfig, tmp_path: Path, write_toy_descriptors: Callable[..., Path]
) -> None:
    run = train(config, out=tmp_path / "run", descriptors=write_toy_descriptors(), stage="bridge")
    assert run.report["encoder"]["method"] == "precomputed"
    evaluation = EvaluateConfig.model_validate({"episodes": {"shots": [1], "queries": 4, "episodes": 30}})
    summary = evaluate(run.folder, evaluation, out=tmp_path / "e")
    assert summary["results"]["1"]["visual_only"]["mean"] > 40  # chance is 20
    assert {"syntrans", "no_text", "logistic"} <= summary["results"]["1"].keys()
    assert summary["encoder"] == {"method": "precomputed", "numbers": 16}


def without_controls(config):
    return config.model_copy(update={"vsbird": config.vsbird.model_copy(update={"controls": False})})


def test_pictures_that_mining_saw_are_known_by_their_hash(
    config: TrainConfig, tmp_path: Path, write_toy_descriptors: Callable[..., Path]
) -> None:
    run = train(
        without_controls(config),
        out=tmp_path / "run",
        descriptors=write_toy_descriptors(images_seen=["novel0", "novel1"]),
    )
    evaluation = EvaluateConfig.model_validate({"episodes": {"shots": [1], "queries": 4, "episodes": 10}})
    assert evaluate(run.folder, evaluation, out=tmp_path / "e")["data"]["seen_by_mining"] == 2


def test_other_features_are_another_split(features: Path) -> None:
    one = load_splits(str(features), size=8, names=("val",))["val"]
    table = pq.read_table(features / "val.features.parquet")
    pq.write_table(table.slice(1), features / "val.features.parquet")
    other = load_splits(str(features), size=8, names=("val",))["val"]
    assert one.key != other.key
    assert len(other) == len(one) - 1


def test_a_limit_takes_the_first_of_each_class(features: Path) -> None:
    split = given_split("base", feature_files(str(features)), limit_per_class=3)
    assert np.bincount(split.labels).tolist() == [3] * 8


@pytest.mark.parametrize("method", ["cross_entropy", "frozen"])
def test_features_and_an_encoder_to_run_are_refused(config: TrainConfig, method: str, tmp_path: Path) -> None:
    changed = config.model_copy(update={"encoder": config.encoder.model_copy(update={"method": method})})
    with pytest.raises(InputError, match="set encoder.method=precomputed"):
        train(changed, out=tmp_path / "run")


def test_pictures_without_an_encoder_are_refused(config: TrainConfig, toy_data: Path, tmp_path: Path) -> None:
    changed = config.model_copy(update={"data": config.data.model_copy(update={"path": str(toy_data), "size": 16})})
    with pytest.raises(InputError, match="holds pictures"):
        train(changed, out=tmp_path / "run")


BROKEN = {
    "lengths": ({"feature": [[1.0, 2.0], [1.0], [3.0, 4.0]]}, "equally many numbers"),
    "no lists": ({"feature": ["a", "b", "c"]}, "equally many numbers"),
    "lists of words": ({"feature": [["1"], ["2"], ["3"]]}, "equally many numbers"),
    "empty lists": ({"feature": pa.array([[], [], []], pa.list_(pa.float32()))}, "equally many numbers"),
    "no number": ({"feature": [[1.0, float("nan")], [1.0, 2.0], [3.0, 4.0]]}, "row 0 is not finite"),
    "a gap in a list": ({"feature": [[1.0, 2.0], [1.0, None], [3.0, 4.0]]}, "row 1 is not finite"),
    "too long for float32": ({"feature": [[1.0], [2.0], [1e300]]}, "row 2 is not finite"),
    "too long to square": ({"feature": [[1.0], [2.0], [1e30]]}, "row 2 is not finite"),
    "all equal": ({"feature": [[1.0, 2.0]] * 3}, "same direction"),
    "equal within classes": ({"feature": [[1.0, 2.0], [2.0, 4.0], [3.0, 1.0]]}, "same direction"),
    "classes with gaps": ({"class": ["a", None, "b"]}, "'class' without gaps"),
    "nameless classes": ({"class": ["a", " ", "b"]}, "'class' without gaps"),
    "classes that are no names": ({"class": [0.5, 1.5, 1.5]}, "'class' of strings or whole numbers, got double"),
    "one class": ({"class": ["a", "a", "a"]}, "one class"),
    "hashes that are none": ({"sha256": [1, 2, 3]}, "'sha256' of strings, got int64"),
    "hashes with gaps": ({"sha256": ["x", None, "y"]}, "'sha256' without gaps"),
}


@pytest.mark.parametrize(("columns", "message"), BROKEN.values(), ids=BROKEN)
def test_what_is_no_table_of_features_is_named(features: Path, columns, message) -> None:
    good = {"class": ["a", "a", "b"], "feature": [[1.0, 2.0], [1.0, 3.0], [3.0, 4.0]]}
    pq.write_table(pa.table(good | columns), features / "val.features.parquet")
    with pytest.raises(InputError, match=message):
        load_splits(str(features), size=8, names=("val",))


def test_a_sealed_file_of_features_knows_when_a_byte_of_it_has_changed(features: Path) -> None:
    file = features / "val.features.parquet"
    write_sealed(file, pq.read_table(file))
    load_splits(str(features), size=8, names=("val",))
    data = bytearray(file.read_bytes())
    data[len(data) // 3] ^= 1
    file.write_bytes(data)
    with pytest.raises(InputError, match="is damaged"):
        load_splits(str(features), size=8, names=("val",))


def test_a_file_without_rows_is_named(features: Path) -> None:
    pq.write_table(pq.read_table(features / "val.features.parquet").slice(0, 0), features / "val.features.parquet")
    with pytest.raises(InputError, match="holds no rows"):
        load_splits(str(features), size=8, names=("val",))


def test_whole_numbers_and_dictionaries_are_class_names(features: Path) -> None:
    table = pq.read_table(features / "val.features.parquet")
    numbers = pc.dictionary_encode(table["class"]).combine_chunks().indices
    for column in (numbers, table["class"].dictionary_encode()):
        pq.write_table(table.set_column(0, "class", column), features / "val.features.parquet")
        split = load_splits(str(features), size=8, names=("val",))["val"]
        names = {str(i) for i in range(5)} if column is numbers else set(table["class"].to_pylist())
        assert set(split.classes) == names
        assert np.bincount(split.labels).tolist() == [12] * 5


def test_two_files_of_one_part_are_both_named(features: Path) -> None:
    (features / "train.features.parquet").write_bytes((features / "base.features.parquet").read_bytes())
    with pytest.raises(InputError, match=r"base\.features\.parquet and .*train\.features\.parquet are both base"):
        load_splits(str(features), size=8, names=("base",))


def test_too_few_base_classes_to_train_heads_on_are_refused_at_once(
    config: TrainConfig, features: Path, tmp_path: Path, write_toy_descriptors: Callable[..., Path]
) -> None:
    table = pq.read_table(features / "base.features.parquet")
    three = pc.is_in(table["class"], value_set=pc.unique(table["class"])[:3])
    pq.write_table(table.filter(three), features / "base.features.parquet")
    with pytest.raises(InputError, match="base has 3 classes"):
        train(config, out=tmp_path / "run", descriptors=write_toy_descriptors())


def test_novel_features_of_another_encoder_are_refused(
    config: TrainConfig, features: Path, tmp_path: Path, write_toy_descriptors: Callable[..., Path]
) -> None:
    run = train(without_controls(config), out=tmp_path / "run", descriptors=write_toy_descriptors())
    table = pq.read_table(features / "novel.features.parquet")
    shorter = pa.array([values[:9] for values in table["feature"].to_pylist()], pa.list_(pa.float32()))
    pq.write_table(table.set_column(1, "feature", shorter), features / "novel.features.parquet")
    with pytest.raises(InputError, match="novel features have 9 numbers, those of the training 16"):
        evaluate(run.folder, EvaluateConfig.model_validate({"episodes": {"shots": [1]}}), out=tmp_path / "e")


def test_a_file_without_classes_is_named(features: Path) -> None:
    pq.write_table(pa.table({"feature": [[1.0]]}), features / "val.features.parquet")
    with pytest.raises(InputError, match="'class'"):
        load_splits(str(features), size=8, names=("base",))


@pytest.mark.slow
def test_stage_encoder_ends_after_it_and_stage_bridge_goes_on(
    config: TrainConfig, toy_data: Path, tmp_path: Path, write_toy_descriptors: Callable[..., Path]
) -> None:
    encoder = {"backbone": "resnet12-tiny", "epochs": 1, "batch_size": 32, "train_size": 16, "test_size": 16}
    changed = TrainConfig.model_validate(
        config.model_dump() | {"data": {"path": str(toy_data), "size": 16}, "encoder": {**encoder, "precision": "fp32"}}
    )
    out, descriptors = tmp_path / "t" / "run", write_toy_descriptors()
    with pytest.raises(UsageError, match="trains no encoder"):
        train(changed, out=out, descriptors=descriptors, stage="bridge")
    train(changed, out=out, descriptors=descriptors, stage="encoder")
    assert not (out / "train.json").exists()
    before = (out / "encoder.safetensors").read_bytes()
    train(changed, out=out, descriptors=descriptors, stage="bridge")
    assert (out / "train.json").exists()
    assert (out / "encoder.safetensors").read_bytes() == before


def test_features_of_other_lengths_are_named(features: Path) -> None:
    two = pa.table({"class": ["a", "b"], "feature": [[1.0, 2.0], [2.0, 1.0]]})
    pq.write_table(two, features / "val.features.parquet")
    with pytest.raises(InputError, match="base 16, val 2"):
        load_splits(str(features), size=8, names=("base", "val"))


def test_features_cannot_be_taught_by_a_clip(config: TrainConfig, tmp_path: Path) -> None:
    teacher = {"teacher": "package:syntrans_world/weights/clip"}
    changed = TrainConfig.model_validate(config.model_dump() | {"distill": teacher})
    with pytest.raises(InputError, match="distill.teacher looks at pictures; data.path holds features"):
        train(changed, out=tmp_path / "run")


def test_features_of_a_published_split_are_known_by_their_classes(tmp_path: Path) -> None:
    for part, names in published("mini").parts.items():
        values = np.random.default_rng(0).random((2 * len(names), 3), np.float32)
        table = pa.table({"class": [*names.values()] * 2, "feature": list(values)})
        pq.write_table(table, tmp_path / f"{part}.features.parquet")
    assert load_splits(str(tmp_path), size=1, names=("novel",))["novel"].dataset == "mini"


def test_features_of_other_classes_are_of_no_published_split(features: Path) -> None:
    assert load_splits(str(features), size=1, names=("val",))["val"].dataset == ""


def test_the_check_of_data_counts_features_and_names_what_is_none(features: Path) -> None:
    report = check(Origin(str(features)), Decoding(84))
    assert (report["errors"], report["dataset"]) == (0, "features")
    assert {name: (part["classes"], part["images"]) for name, part in report["parts"].items()} == {
        "base": (8, 96),
        "val": (5, 60),
        "novel": (5, 60),
    }
    pq.write_table(pa.table({"class": ["a"], "feature": ["b"]}), features / "val.features.parquet")
    broken = check(Origin(str(features)), Decoding(84))
    assert broken["errors"] == 1
    assert "list of equally many numbers" in broken["findings"][0]["message"]


@pytest.mark.parametrize(("written", "told"), [("resnet12,\n84 px\x1b[31m", "resnet12, 84 px"), (None, "")])
def test_the_encoder_that_a_file_names_is_told_as_plain_text(written: str | None, told: str, tmp_path: Path) -> None:
    table = pa.table({"class": ["a", "a", "b"], "feature": [[1.0, 0.0], [0.5, 0.1], [0.0, 1.0]]})
    file = tmp_path / "novel.features.parquet"
    write_sealed(file, table.replace_schema_metadata({"encoder": written} if written else None))
    assert given_split("novel", {"novel": file}, limit_per_class=None).encoder == told
