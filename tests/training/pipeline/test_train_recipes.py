"""The shipped recipes of the published data sets, end to end on toy copies in the published formats."""

from pathlib import Path

import archives
import pytest

from syntrans.config import load_config
from syntrans_training.config import EvaluateConfig, TrainConfig
from syntrans_training.evaluation.evaluate import evaluate
from syntrans_training.pipeline.train import train

PER_CLASS = 2
MAKE = {
    "miniimagenet": archives.mini_csv,
    "tieredimagenet": lambda out, n: archives.imagenet(out, "tiered", n),
    "cifar-fs": archives.cifar,
    "fc100": archives.cifar,
}
# One epoch of few and small pictures; both generations and every stage after them are the recipe's. ResNet-12 is it for
# the smallest copy alone: a thousand pictures take minutes through it.
SMALL = [
    "device=cpu", "data.size=16", "encoder.train_size=16", "encoder.test_size=16", "encoder.epochs=1",
    "encoder.generation1.epochs=1", "encoder.val_every=1", "ridge.episodes=10", "ridge.lambdas=[1.0]",
    "vsbird.seeds=1", "vsbird.steps=2", "vsbird.feature_powers=[1.0]", "vsbird.shrinkages=[1.0]",
    "vsbird.spread_factors=[1.0]", "vsbird.prior_shrinkages=[1.0]", "vsbird.lambdas=[1.0]",
    "baselines.names=[simpleshot, logistic]",
    "baselines.episodes=10", "baselines.views=1", "episodes.shots=[1]", "episodes.queries=1", "episodes.episodes=10",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", MAKE)
def test_a_published_recipe_runs_end_to_end_on_a_toy_copy(
    name, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNTRANS_ARTIFACTS", str(tmp_path / "artifacts"))
    data = MAKE[name](tmp_path / "data", PER_CLASS)
    assert load_config(TrainConfig, name, kind="training/configs").encoder.backbone == "resnet12"
    tiny = [] if name == "miniimagenet" else ["encoder.backbone=resnet12-tiny"]
    settings = [*SMALL, *tiny, f"data.path={data}"]
    run = train(load_config(TrainConfig, name, kind="training/configs", overrides=settings), out=tmp_path / "run")
    assert run.report["encoder"]["method"] == "skd-gen1"
    few = EvaluateConfig.model_validate({"episodes": {"shots": [1], "queries": 1, "episodes": 10}})
    summary = evaluate(run.folder, few, out=tmp_path / "evaluation")
    assert summary["data"]["dataset"] == {"miniimagenet": "mini", "tieredimagenet": "tiered"}.get(name, name)
    assert {"logistic", "visual_only", "syntrans", "no_text"} <= summary["results"]["1"].keys()
