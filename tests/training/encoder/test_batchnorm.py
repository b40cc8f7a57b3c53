"""BatchNorm's statistics taken again of whole pictures: what they are, and that nothing else changes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from syntrans_training.config import EncoderConfig
from syntrans_training.data import load_splits
from syntrans_training.data.augment import whole_views
from syntrans_training.data.store import Split
from syntrans_training.encoder import training
from syntrans_training.encoder.batchnorm import BATCH, retake_statistics
from syntrans_training.encoder.training import TRAINING_STATISTICS, encoder_as_trained
from syntrans_training.engine import checkpoint
from syntrans_training.pipeline.encoder_stage import encoder_stage
from syntrans_training.pipeline.generations import plan

CPU = torch.device("cpu")
RETAKEN = EncoderConfig.model_validate(
    {
        "method": "skd-gen1",
        "backbone": "resnet12-tiny",
        "train_size": 16,
        "test_size": 20,
        "epochs": 1,
        "batch_size": 16,
        "precision": "fp32",
        "generation1": {"epochs": 1, "decay_epochs": []},
        "batchnorm_pictures": 40,
    }
)
KEPT = RETAKEN.model_copy(update={"batchnorm_pictures": 0})
CROSS_ENTROPY = {"method": "cross_entropy"}


class Norms(nn.Module):
    """BatchNorm of the colours, and a part that training switches on."""

    def __init__(self):
        super().__init__()
        self.norm, self.drop = nn.BatchNorm2d(3, momentum=0.3), nn.Dropout(0.9)

    def forward(self, x):
        return self.drop(self.norm(x)).mean((2, 3))


@pytest.fixture
def split() -> Split:
    pixels = np.random.default_rng(0).integers(0, 256, (2 * BATCH, 20, 20, 3), dtype=np.uint8)
    pixels[:BATCH] //= 2  # as pictures of one class lie together
    n = len(pixels)
    return Split("toy", pixels, np.zeros(n, np.int64), ("a",), tuple(map(str, range(n))), (), "key")


def run(config, splits, out):
    out.mkdir(parents=True, exist_ok=True)
    encoder_stage(config, splits["base"], splits["val"], out, seed=0, device=CPU, reuse=True)
    return checkpoint.load(out / "encoder.safetensors")


def is_statistic(name):
    return name.rsplit(".", 1)[-1] in {"running_mean", "running_var", "num_batches_tracked"}


def test_statistics_become_those_of_the_pictures(split: Split) -> None:
    encoder = Norms().train()
    before = retake_statistics(encoder, split, pictures=len(split), size=16, device=CPU)
    views = whole_views(torch.from_numpy(split.pixels), size=16)
    assert encoder.norm.running_mean.allclose(views.mean((0, 2, 3)), atol=1e-5)
    assert encoder.norm.running_var.allclose(views.var((0, 2, 3)), rtol=2e-2)
    assert before["norm.running_mean"].equal(torch.zeros(3))
    assert (encoder.norm.momentum, encoder.training, encoder.norm.training) == (0.3, False, False)


def test_the_same_pictures_give_the_same_statistics(split: Split) -> None:
    ends = []
    for began in (0.0, 5.0):
        encoder = Norms()
        encoder.norm.running_mean.fill_(began)
        retake_statistics(encoder, split, pictures=30, size=16, device=CPU)
        ends.append(encoder.norm.running_mean)
    assert ends[0].equal(ends[1])


def test_an_encoder_without_batchnorm_is_left_as_it_is(split: Split) -> None:
    assert retake_statistics(nn.Flatten(), split, pictures=10, size=16, device=CPU) == {}


@pytest.mark.slow
def test_no_weight_of_either_generation_changes(toy_data: Path, tmp_path: Path) -> None:
    splits = load_splits(str(toy_data), size=20, names=("base", "val"))
    kept, _ = run(KEPT, splits, tmp_path / "kept" / "run")
    retaken, note = run(RETAKEN, splits, tmp_path / "retaken" / "run")
    weights = [name for name in kept if not is_statistic(name)]
    assert all(kept[name].equal(retaken[name]) for name in weights)
    means = [name for name in kept if name.endswith("running_mean")]
    assert not any(kept[name].equal(retaken[name]) for name in means)
    as_trained = encoder_as_trained(retaken)
    assert all(value.equal(as_trained[name]) for name, value in checkpoint.part(kept, "encoder").items())
    assert 0 <= note["batchnorm"].pop("val_1_shot") <= 1
    assert note["batchnorm"] == {"pictures": 40, "size": 20}
    assert note["teacher"]["batchnorm"]
    assert not any(name.startswith(TRAINING_STATISTICS) for name in kept)


@pytest.mark.slow
def test_an_equal_training_is_not_done_again(toy_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    splits = load_splits(str(toy_data), size=20, names=("base", "val"))
    kept, _ = run(KEPT.model_copy(update=CROSS_ENTROPY), splits, tmp_path / "kept")
    monkeypatch.setattr(training, "fit", None)
    retaken, note = run(RETAKEN.model_copy(update=CROSS_ENTROPY), splits, tmp_path / "retaken")
    assert checkpoint.part(kept, "encoder").keys() == encoder_as_trained(retaken).keys()
    assert note["val_1_shot"].keys() == {"1"}
    assert note["batchnorm"]["pictures"] == 40
    again, _ = run(RETAKEN.model_copy(update=CROSS_ENTROPY), splits, tmp_path / "retaken")
    assert all(value.equal(again[name]) for name, value in retaken.items())


def identity(config, **change):
    return plan(config.model_copy(update=change), base_key="k", device=CPU, seed=0).identity


def test_encoders_of_before_are_still_taken_over() -> None:
    assert identity(KEPT, **CROSS_ENTROPY) == "e16e40a99c091fa9"


@pytest.mark.parametrize("change", [{"batchnorm_pictures": 50}, {"batchnorm_pictures": 0}, {"test_size": 16}])
def test_what_changes_statistics_changes_the_identity(change: dict[str, int]) -> None:
    for method in ("cross_entropy", "skd-gen1"):
        assert identity(RETAKEN, method=method) != identity(RETAKEN, method=method, **change)


def test_a_frozen_tower_keeps_its_own(tmp_path: Path) -> None:
    assert plan(RETAKEN.model_copy(update={"method": "frozen"}), base_key="k", device=CPU, seed=0).statistics is None
