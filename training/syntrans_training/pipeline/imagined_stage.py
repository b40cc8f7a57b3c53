"""The last stage of `syntrans train` with `imagined_supports`: what one imagined picture is worth, chosen on val."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor

from syntrans.errors import UsageError
from syntrans_training.bridge.ridge_baseline import unpack
from syntrans_training.bridge.split_features import SplitFeatures
from syntrans_training.bridge.trained_bridges import read_bridges
from syntrans_training.bridge.val_tasks import ValSplit, val_episodes
from syntrans_training.config import TrainConfig
from syntrans_training.data import Split
from syntrans_training.engine import checkpoint
from syntrans_training.engine.run_files import BRIDGE, RIDGE
from syntrans_training.evaluation.imagined_supports import choose_worth, see
from syntrans_training.imagination.imagined_file import open_imagined
from syntrans_training.text.class_texts import Vectors


def check_imagined(config: TrainConfig, val: Split) -> None:
    """What the stage would refuse, said before the long work."""
    if not config.imagined_supports:
        return
    if config.vsbird.fusion != "evidence" or config.encoder.method == "precomputed":
        raise UsageError(
            "imagined_supports needs vsbird.fusion=evidence, which weighs supports by their number, and an encoder "
            "that looks at pictures; set imagined_supports=0"
        )
    open_imagined(config.imagined).ids_of(val.classes)


def imagined_stage(
    config: TrainConfig, val: ValSplit, vectors: Vectors, out: Path, features_of: Callable[[Split], Tensor]
) -> dict[str, Any]:
    """Choose on val; returns the note of the report, which names the file."""
    imagined = open_imagined(config.imagined)
    seen = see(imagined, val.features.classes, features_of, size=config.data.size, at_most=config.imagined_supports)
    ridge, bridges = unpack(*checkpoint.load(out / RIDGE)), read_bridges(out / BRIDGE)
    features = SplitFeatures(val.features.values, ridge, vectors, bridges=bridges)
    tasks = val_episodes(val, **config.episodes.shape, episodes=config.baselines.episodes, seed=config.ridge.seed)
    choices = choose_worth(features, seen, tasks)
    return {"path": str(imagined.path), "sha256": imagined.sha256, "choices": choices}
