"""`syntrans train --config flier`: the data, the imagined pictures, both phases, and what val chooses from."""

from typing import Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from syntrans.config import StrictModel
from syntrans_training.config.data import DataConfig
from syntrans_training.config.shares import Share
from syntrans_training.config.text import TextConfig


class LatentEncoderConfig(StrictModel):
    """The two convolutions that read latents."""

    width: PositiveInt = Field(64, description="Channels after the first convolution; the second has twice as many.")
    noise: NonNegativeFloat = Field(0.1, description="Standard deviation of noise on training latents (unit variance).")


class Phase1Config(StrictModel):
    """The head on the real shots, CLIP frozen: steps of AdamW with cosine decay."""

    steps: PositiveInt = 100
    lr: PositiveFloat = 1e-3
    batch: PositiveInt = Field(32, description="Real pictures a step.")
    weight_decay: NonNegativeFloat = 0.01


class Phase2Config(StrictModel):
    """Head, latent encoder and projection together."""

    steps: PositiveInt = 200
    lr: PositiveFloat = Field(1e-3, description="Of the head and the latent encoder.")
    projection_lr: NonNegativeFloat = Field(1e-4, description="Of CLIP's last visual projection; 0 freezes it.")
    batch: PositiveInt = Field(32, description="Real pictures a step, and as many imagined ones.")
    weight_decay: NonNegativeFloat = 0.01


class LossConfig(StrictModel):
    """What each part of the loss counts: real pictures (the imagined ones count the rest), and the three logits."""

    real: Share = 0.8
    fused: NonNegativeFloat = 1.0
    image: NonNegativeFloat = 1.0
    latent: NonNegativeFloat = 0.5


class FlierConfig(StrictModel):
    """Everything `syntrans train --config flier` needs besides the descriptor file."""

    system: Literal["flier"]
    seed: NonNegativeInt = 0
    device: str = "auto"
    data: DataConfig = DataConfig()
    clip: str = Field(..., description="An open_clip folder: its image tower is tuned, its text tower gives the head.")
    imagined: str | None = Field(None, description="imagined.parquet or its folder; None takes the newest.")
    imagined_per_class: NonNegativeInt = Field(20, description="Kept imagined pictures of a class that are trained on.")
    text: TextConfig = TextConfig()
    shots: tuple[PositiveInt, ...] = Field((1, 2, 4, 8, 16), min_length=1)
    seeds: PositiveInt = Field(3, description="Draws of the shots, each trained with a seed of its own.")
    support_pool: PositiveInt = Field(
        30, description="Pictures of a class that shots are drawn from; all others that mining has not seen are tested."
    )
    latent_encoder: LatentEncoderConfig = LatentEncoderConfig()
    phase1: Phase1Config = Phase1Config()
    phase2: Phase2Config = Phase2Config()
    loss: LossConfig = LossConfig()
    train_fusion: Share = Field(0.3, description="Share of the latent branch in the fused logits while training.")
    fusions: tuple[Share, ...] = Field(
        (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6), min_length=1, description="Of which val takes one for the test."
    )
