"""Which command has which config: where its keys are declared, and the folder of its shipped configs."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import BaseModel

# what has a config -> where that is declared, and the folder of its shipped configs, if any; all but flier are commands
CONFIGS: dict[str, tuple[str, str | None]] = {
    "mine": ("syntrans_mining.config:MiningConfig", "mining/configs"),
    "train": ("syntrans_training.config:TrainConfig", "training/configs"),
    "evaluate": ("syntrans_training.config:EvaluateConfig", "training/configs"),
    "imagine": ("syntrans_training.config.imagination:ImagineConfig", "training/configs"),
    "flier": ("syntrans_training.config.flier:FlierConfig", "training/configs"),
    "predict": ("syntrans_training.config.prediction:PredictConfig", None),
    "serve": ("syntrans_training.config.prediction:ServeConfig", None),
}


def model_of(command: str) -> type[BaseModel]:
    """The config of a command."""
    module, _, name = CONFIGS[command][0].partition(":")
    model: type[BaseModel] = getattr(importlib.import_module(module), name)
    return model
