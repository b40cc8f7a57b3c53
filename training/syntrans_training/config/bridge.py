"""The sections `bridge` (the ridge baseline) and `vsbird` (the trained bridge)."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from syntrans.config import Gone, Renamed, StrictModel
from syntrans_training.config.shares import PositiveShare, Share


class BridgeConfig(StrictModel):
    """Grids from which the bridge is chosen on val episodes."""

    shrinkages: tuple[PositiveFloat | None, ...] = Field(
        default=(None, 0.1, 0.3, 1.0, 3.0, 10.0),
        min_length=1,
        description="Shrinkages of the standardisation; None: features are only made unit.",
    )
    lambdas: tuple[PositiveFloat, ...] = Field(
        default=(0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0),
        min_length=1,
        description="Ridge penalties, relative to the class vectors' spread.",
    )
    name_shares: tuple[Share, ...] = Field(
        default=(0.0, 0.5),
        min_length=1,
        description="Share of the class name in the class vector.",
    )
    alpha_step: float = Field(default=0.05, gt=0.0, le=1.0)
    episodes: PositiveInt = 1000
    seed: NonNegativeInt = 1


class BridgeLossConfig(StrictModel):
    """Weights of the bridge's losses beside the cross-entropy of the fused weights; 0 leaves one out."""

    visual: NonNegativeFloat = Field(0.1, description="Cross-entropy of the visual weights alone.")
    semantic: NonNegativeFloat = Field(0.1, description="Cross-entropy of the semantic weights alone.")
    reconstruction: NonNegativeFloat = Field(
        0.1,
        description="Loss of the predicted against the true weight of classes left out of the map.",
    )
    cycle: NonNegativeFloat = Field(0.1, description="Loss of pictures that are read as text and read back.")


class VSBirdConfig(StrictModel):
    """The trained bridge: which of its parts take part, where it starts (grids for val), how it is trained."""

    old_keys: ClassVar[Mapping[str, Renamed | Gone]] = {
        "gate": Renamed("text_gate"),
        "powers": Renamed("feature_powers"),
        "noises": Renamed("spread_factors"),
        "looks": Renamed("val_checks"),
        "batch": Renamed("tasks_per_step"),
        "scatter": Renamed("noise_scale"),
        "wrong_texts": Renamed("text_swap_prob"),
        "keep": Renamed("descriptor_keep_prob"),
        "loss": Renamed("loss_weights"),
    }

    generator: bool = Field(True, description="Visual weights recall base classes.")
    residual: bool = Field(True, description="The semantic reconstructor has a network beside its ridge map.")
    text_gate: bool = Field(True, description="A text that does not fit its class's pictures counts less.")
    fusion: Literal["evidence", "convex", "additive"] = "evidence"
    alpha: Share | None = Field(
        None, description="Share of the text in the fusion; None: chosen on val for every number of shots."
    )
    feature_powers: tuple[PositiveFloat, ...] = Field(default=(1.0, 0.75, 0.5), min_length=1)
    shrinkages: tuple[PositiveFloat, ...] = Field(default=(0.1, 0.3, 1.0, 3.0), min_length=1)
    spread_factors: tuple[PositiveFloat, ...] = Field(default=(1.0, 2.0, 4.0), min_length=1)
    prior_shrinkages: tuple[PositiveFloat, ...] = Field(default=(0.1, 0.3, 1.0, 3.0), min_length=1)
    lambdas: tuple[PositiveFloat, ...] = Field(default=(0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0), min_length=1)
    name_shares: tuple[Share, ...] = Field(default=(0.0, 0.5), min_length=1)
    controls: bool = Field(
        True,
        description="Train heads for the table's controls too (no text, names, unchecked, random words).",
    )
    seeds: PositiveInt = Field(5, description="Number of heads, whose accuracies are averaged.")
    seed: NonNegativeInt = Field(0, description="Seed of the first head.")
    steps: NonNegativeInt = Field(200, description="Training steps of a head; 0: the closed form.")
    val_checks: PositiveInt = Field(5, description="Validation checks while a head is trained.")
    ways: int = Field(default=8, ge=2)
    tasks_per_step: PositiveInt = Field(8, description="Base-class tasks in a training step.")
    lr: PositiveFloat = 3e-3
    noise_scale: NonNegativeFloat = Field(
        1.0,
        description="How far pictures are moved by other pictures' differences to their class mean.",
    )
    text_swap_prob: Share = Field(0.4, description="Share of the places that are shown another class's text.")
    descriptor_keep_prob: PositiveShare = Field(0.5, description="Share of a class's descriptors that a step sees.")
    loss_weights: BridgeLossConfig = BridgeLossConfig()
