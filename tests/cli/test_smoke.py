"""The shipped pair: a full mine of the embedded world, then `train --config smoke` on what it left unseen."""

import pytest

from syntrans.cli.app import run

# The world's own config picks the pictures; fake models say what is thought of them, so that nothing need be loaded.
FAKE = [
    "engine.kind=fake", "engine.workers=0", "engine.args={}", "vlm.args={}", "crosscheck.calibration=null",
    "crosscheck.threshold=0", "ground.threshold=0", "filter.threshold=0",
]  # fmt: skip
# Of every grid one setting, of every training next to nothing; pictures, classes and tasks are those of the config.
SMALL = [
    "device=cpu", "encoder.epochs=1", "ridge.episodes=10", "ridge.lambdas=[1.0]", "ridge.shrinkages=[1.0]",
    "ridge.alpha_step=0.5", "ridge.name_shares=[0.0]", "vsbird.steps=1", "vsbird.val_checks=1",
    "vsbird.feature_powers=[1.0]", "vsbird.shrinkages=[1.0]", "vsbird.spread_factors=[1.0]",
    "vsbird.prior_shrinkages=[1.0]", "vsbird.lambdas=[1.0]", "vsbird.name_shares=[0.0]", "baselines.names=[simpleshot]",
    "baselines.episodes=10",
]  # fmt: skip


def settings(given):
    return [word for setting in given for word in ("--set", setting)]


@pytest.mark.slow
@pytest.mark.usefixtures("world_in_cache")
def test_a_full_mine_of_the_world_leaves_what_the_smoke_config_needs(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["mine", "--classes", "world", "--config", "world", *settings(FAKE)]) == 0
    assert run(["train", "--config", "smoke", *settings(SMALL)]) == 0, capsys.readouterr().err
    assert "descriptors: " in (said := capsys.readouterr().err)
    assert "mine/" in said
    assert run(["evaluate", "--limit", "20"]) == 0


def test_smoke_needs_no_more_pictures_than_a_mine_of_the_world_leaves() -> None:
    from syntrans.config import load_config
    from syntrans_mining.config import MiningConfig
    from syntrans_training.config import TrainConfig

    world = load_config(MiningConfig, "world", kind="mining/configs")
    smoke = load_config(TrainConfig, "smoke", kind="training/configs")
    looked_at = max(world.filter.images, world.ground.images)
    assert smoke.data.per_class - looked_at >= max(smoke.episodes.shots) + smoke.episodes.queries
