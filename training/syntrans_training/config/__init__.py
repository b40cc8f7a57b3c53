"""Configuration of `syntrans train` and `syntrans evaluate`: frozen, complete, no unknown keys; a file a section.

A config ends at the builders of the commands; what they build takes plain arguments.
"""

from syntrans_training.config.baselines import BaselineName, BaselinesConfig
from syntrans_training.config.bridge import BridgeLossConfig, VSBirdConfig
from syntrans_training.config.data import AugmentConfig, DataConfig, NormaliseConfig
from syntrans_training.config.distillation import DistillConfig, DistillWeightsConfig
from syntrans_training.config.encoder import BACKBONES, CMKDConfig, EncoderConfig, Generation1Config
from syntrans_training.config.evaluation import EpisodesConfig, EvaluateConfig, FrozenEpisodesConfig
from syntrans_training.config.ridge import RidgeConfig
from syntrans_training.config.text import TextConfig
from syntrans_training.config.train import TrainConfig

__all__ = [
    "BACKBONES",
    "AugmentConfig",
    "BaselineName",
    "BaselinesConfig",
    "BridgeLossConfig",
    "CMKDConfig",
    "DataConfig",
    "DistillConfig",
    "DistillWeightsConfig",
    "EncoderConfig",
    "EpisodesConfig",
    "EvaluateConfig",
    "FrozenEpisodesConfig",
    "Generation1Config",
    "NormaliseConfig",
    "RidgeConfig",
    "TextConfig",
    "TrainConfig",
    "VSBirdConfig",
]
