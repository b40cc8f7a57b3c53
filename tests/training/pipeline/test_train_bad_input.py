"""Bad input of train and evaluate: said before the long work, in one line, with the documented exit code."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from syntrans.config import load_config
from syntrans.contract.rows import DescriptorRow
from syntrans.errors import EnvironmentProblem, InputError, ModelLoadError, UsageError
from syntrans.images.image_set import class_keys
from syntrans_training.config import EvaluateConfig, TrainConfig
from syntrans_training.engine.devices import pick_device
from syntrans_training.evaluation.evaluate import evaluate
from syntrans_training.pipeline.stages import small_val
from syntrans_training.pipeline.train import train
from syntrans_training.text.encoders import open_text_encoder


def small(toy_data: Path, tiny_text_encoder, **more) -> TrainConfig:
    plain = {"data": {"path": str(toy_data), "size": 16}, "text": {"encoder": str(tiny_text_encoder)}}
    return TrainConfig.model_validate({"device": "cpu", "episodes": {"shots": [1], "queries": 5}, **plain, **more})


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "syntrans_training.encoder.training.fit", lambda *_, **__: pytest.fail("trained before the check")
    )


@pytest.mark.usefixtures("no_training")
def test_descriptors_of_other_classes_end_a_run_before_the_encoder(
    toy_data: Path, tiny_text_encoder: Path, descriptor_row: Callable[..., DescriptorRow], tmp_path: Path
) -> None:
    from syntrans.contract.rows import FileMetadata
    from syntrans.contract.writing import write_descriptors

    path = tmp_path / "other.parquet"
    meta = FileMetadata(run_id="t", class_list_sha256="0" * 64)
    write_descriptors(path, [descriptor_row("zebra", "it is red")], meta)
    with pytest.raises(InputError, match="no descriptors for 13 of 13 classes"):
        train(small(toy_data, tiny_text_encoder), out=tmp_path / "out", descriptors=path)


@pytest.mark.usefixtures("no_training")
def test_a_missing_text_encoder_ends_a_run_before_the_encoder(toy_data: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError):
        train(small(toy_data, tmp_path / "nothing"), out=tmp_path / "out")


@pytest.mark.usefixtures("no_training")
def test_classes_too_small_for_the_episodes_end_a_run_before_the_encoder(
    toy_data: Path, tiny_text_encoder: Path, tmp_path: Path
) -> None:
    config = small(toy_data, tiny_text_encoder, episodes={"shots": [1], "queries": 15})
    with pytest.raises(InputError, match=r"has 14 pictures.*--set episodes\.queries=13"):
        train(config, out=tmp_path / "out")


@pytest.mark.parametrize("name", ["toaster", "cuda:99"])
def test_a_device_that_is_not_there_is_named(name: str) -> None:
    with pytest.raises(EnvironmentProblem, match=rf"device '{name}'"):
        pick_device(name)
    assert pick_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize(
    "setting",
    [
        "episodes.episodes=1",
        "episodes.ways=1",
        "episodes.shots=[]",
        "ridge.lambdas=[]",
        "ridge.shrinkages=[]",
        "ridge.name_shares=[1.5]",
        "encoder.train_size=8",
        "encoder.test_size=8",
        "encoder.augment.crop_area=[0.0, 1.0]",
        'text.name_template="a {nme}"',
        'text.descriptor_template="{txt}"',
        'text.descriptor_template="{"',
    ],
)
def test_a_value_that_cannot_work_is_refused_with_its_key(setting: str) -> None:
    with pytest.raises(UsageError, match=setting.partition("=")[0].replace(".", r"\.")):
        load_config(TrainConfig, "smoke", kind="training/configs", overrides=[setting])


def test_one_episode_has_no_interval_and_is_refused() -> None:
    with pytest.raises(UsageError, match=r"episodes\.episodes"):
        load_config(EvaluateConfig, "evaluate", kind="training/configs", overrides=["episodes.episodes=1"])


def test_a_damaged_text_encoder_ends_with_exit_code_5(tiny_text_encoder: Path, tmp_path: Path) -> None:
    for file in tiny_text_encoder.glob("*.json"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"garbage")
    with pytest.raises(ModelLoadError, match="does not load"):
        open_text_encoder(str(tmp_path))


def test_a_picture_without_a_class_is_said_when_classes_are_listed(tmp_path: Path, png: Callable[..., bytes]) -> None:
    pictures = pa.array([{"bytes": png(i), "path": ""} for i in range(2)])
    pq.write_table(pa.table({"image": pictures, "class": ["fox", None]}), tmp_path / "val.parquet")
    with pytest.raises(InputError, match=r"val\.parquet, row 1 lacks a class"):
        class_keys(tmp_path)


@pytest.mark.parametrize(
    ("classes", "pictures", "said"),
    [
        (
            5,
            70,
            "val has 5 classes with 70 pictures, 1 different 5-way tasks: settings that are chosen on it are uncer",
        ),
        (16, 100, "uncertain by about 5 points"),
    ],
)
def test_a_val_part_too_small_to_choose_on_is_said(classes: int, pictures: int, said: str) -> None:
    assert said in small_val(classes, pictures, 5)


def test_a_val_part_of_the_usual_size_is_no_matter() -> None:
    assert small_val(16, 960, 5) is None


def test_an_unfinished_run_cannot_be_evaluated(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no encoder\.safetensors"):
        evaluate(tmp_path, EvaluateConfig(), out=tmp_path / "out")
