"""`syntrans train --config flier`: the data, the imagined pictures, both phases, and what val chooses from."""

from typing import Any, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from syntrans.config import StrictModel
from syntrans_training.config.data import DataConfig
from syntrans_training.config.evaluation import EpisodesConfig
from syntrans_training.config.shares import Share
from syntrans_training.config.text import TextConfig


class LatentEncoderConfig(StrictModel):
    """The two convolutions that read latents."""

    width: PositiveInt = Field(64, description="Channels after the first convolution; the second has twice as many.")
    depth: int = Field(2, ge=2, description="Convolutions; two are published.")
    noise: NonNegativeFloat = Field(0.1, description="Standard deviation of noise on training latents (unit variance).")


class Phase0Config(StrictModel):
    """The latent encoder on base classes: from a latent to what CLIP sees in its picture."""

    steps: NonNegativeInt = Field(0, description="Training steps; 0 leaves this phase out.")
    lr: PositiveFloat = Field(3e-3, description="Highest learning rate.")
    batch: PositiveInt = Field(64, description="Base pictures a step.")
    weight_decay: NonNegativeFloat = Field(0.01, description="Weight decay.")


class Phase1Config(StrictModel):
    """The head on the real shots, CLIP frozen: steps of AdamW with cosine decay."""

    steps: PositiveInt = Field(100, description="Training steps.")
    lr: PositiveFloat = Field(1e-3, description="Highest learning rate.")
    batch: PositiveInt = Field(32, description="Real pictures a step.")
    weight_decay: NonNegativeFloat = Field(0.01, description="Weight decay.")


class Phase2Config(StrictModel):
    """Head, latent encoder and projection together."""

    steps: PositiveInt = Field(200, description="Training steps.")
    lr: PositiveFloat = Field(1e-3, description="Of the head and the latent encoder.")
    projection_lr: NonNegativeFloat = Field(1e-4, description="Of CLIP's last visual projection; 0 freezes it.")
    last_block_lr: NonNegativeFloat = Field(0.0, description="Of CLIP's last visual block; 0 freezes it.")
    batch: PositiveInt = Field(32, description="Real pictures a step, and as many imagined ones.")
    weight_decay: NonNegativeFloat = Field(0.01, description="Weight decay.")


class LossConfig(StrictModel):
    """What each part of the loss counts: real pictures (the imagined ones count the rest), and the three logits."""

    real: Share = Field(0.8, description="Weight of real pictures; imagined ones have the rest.")
    fused: NonNegativeFloat = Field(1.0, description="Weight of the cross-entropy of the fused logits.")
    image: NonNegativeFloat = Field(1.0, description="Weight of the cross-entropy of the image tower's logits.")
    latent: NonNegativeFloat = Field(0.5, description="Weight of the cross-entropy of the latent branch's logits.")


class FlierEpisodesConfig(EpisodesConfig):
    """Frozen few-shot tasks, each with a training of its own."""

    episodes: int = Field(200, ge=2, description="Number of novel tasks; one alone has no interval.")
    val_episodes: PositiveInt = Field(100, description="Number of val tasks, on which settings are chosen.")


class FlierConfig(StrictModel):
    """Everything `syntrans train --config flier` needs besides the descriptor file."""

    system: Literal["flier"] = Field(description="That it is FLIER which `syntrans train` trains.")
    seed: NonNegativeInt = Field(0, description="Seed for all random choices.")
    device: str = Field("auto", description="Device: auto, cpu, cuda or cuda:N.")
    data: DataConfig = Field(DataConfig(), description="Pictures and classes.")
    clip: str = Field(..., description="An open_clip folder: its image tower is tuned, its text tower gives the head.")
    imagined: str | None = Field(None, description="imagined.parquet or its folder; null takes the newest.")
    imagined_per_class: NonNegativeInt = Field(20, description="Kept imagined pictures of a class that are trained on.")
    text: TextConfig = Field(TextConfig(), description="The sentences that CLIP's text tower reads.")
    shots: tuple[PositiveInt, ...] = Field(
        (1, 2, 4, 8, 16), min_length=1, description="Real pictures of a class; every number is a column of the table."
    )
    seeds: PositiveInt = Field(3, description="Draws of the shots, each trained with a seed of its own.")
    support_pool: PositiveInt = Field(
        30, description="Pictures of a class that shots are drawn from; all others that mining has not seen are tested."
    )
    episodes: FlierEpisodesConfig | None = Field(
        None,
        description="Frozen few-shot tasks, not all classes at once; shots, seeds and support_pool do not count then.",
    )
    latent_encoder: LatentEncoderConfig = LatentEncoderConfig()
    phase0: Phase0Config = Phase0Config()
    phase1: Phase1Config = Phase1Config()
    phase2: Phase2Config = Phase2Config()
    loss: LossConfig = LossConfig()
    train_fusion: Share = Field(0.3, description="Share of the latent branch in the fused logits while training.")
    fusions: tuple[Share, ...] = Field(
        (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6),
        min_length=1,
        description="Shares of the latent branch in the fused logits at the test, of which val takes one.",
    )
    trained_shares: tuple[Share, ...] = Field(
        (1.0, 0.75, 0.5, 0.25, 0.0),
        min_length=1,
        description="Shares of what training changed in head and projection, of which val takes one; 0: CLIP's own.",
    )

    @property
    def columns(self) -> tuple[int, ...]:
        """Numbers of shots that are trained and tested."""
        return self.episodes.shots if self.episodes else self.shots

    @property
    def needs(self) -> dict[str, Any]:
        """What the tasks need of every class, as `check_inputs` takes it."""
        shape = self.episodes.shape if self.episodes else None
        return {"episodes": shape, "pool": self.support_pool, "most": max(self.shots)}
