"""The section `vsbird`: the bridge from text to pictures, under the name that its paper gives it."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from syntrans.config import Gone, Renamed, StrictModel
from syntrans_training.config.shares import PositiveShare, Share


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
    fusion: Literal["evidence", "convex", "additive"] = Field(
        "evidence", description="How visual and semantic weights become one: docs/method.md (23), (24), (25)."
    )
    alpha: Share | None = Field(
        None, description="Share of the text in the fusion; null: chosen on val for every number of shots."
    )
    adapt_alpha: bool = Field(
        True,
        description="Move alpha by what the supports of a task say of its text, for pictures of another data set.",
    )
    feature_powers: tuple[PositiveFloat, ...] = Field(
        (1.0, 0.75, 0.5), min_length=1, description="Grid: power p of the transform sign(x) |x|^p of features."
    )
    shrinkages: tuple[PositiveFloat, ...] = Field(
        (0.1, 0.3, 1.0, 3.0),
        min_length=1,
        description="Grid: shrinkage of the within-class covariance towards a sphere.",
    )
    spread_factors: tuple[PositiveFloat, ...] = Field(
        (1.0, 2.0, 4.0),
        min_length=1,
        description="Grid: factor of the within-class covariance, since novel classes spread more than base ones.",
    )
    prior_shrinkages: tuple[PositiveFloat, ...] = Field(
        (0.1, 0.3, 1.0, 3.0),
        min_length=1,
        description="Grid: shrinkage of the covariance of the text's errors.",
    )
    lambdas: tuple[PositiveFloat, ...] = Field(
        (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0),
        min_length=1,
        description="Grid: ridge penalty of the maps, in units of the class vectors' mean square.",
    )
    name_shares: tuple[Share, ...] = Field(
        (0.0, 0.5), min_length=1, description="Grid: share of the class name in the class vector."
    )
    controls: bool = Field(
        True,
        description="Train heads for the table's controls too (no text, names, unchecked, random words).",
    )
    seeds: PositiveInt = Field(5, description="Number of heads, whose accuracies are averaged.")
    seed: NonNegativeInt = Field(0, description="Seed of the first head; unless told, 1,000 times the seed of the run.")
    steps: NonNegativeInt = Field(200, description="Training steps of a head; 0: the closed form.")
    val_checks: PositiveInt = Field(5, description="Validation checks while a head is trained.")
    ways: int = Field(8, ge=2, description="Classes of a training task.")
    tasks_per_step: PositiveInt = Field(8, description="Base-class tasks in a training step.")
    lr: PositiveFloat = Field(3e-3, description="Learning rate of the heads (Adam).")
    noise_scale: NonNegativeFloat = Field(
        1.0,
        description="Scale of the noise on training features: other pictures' differences to their class mean.",
    )
    text_swap_prob: Share = Field(
        0.4, description="Probability that a class of a training task is shown another class's text."
    )
    descriptor_keep_prob: PositiveShare = Field(0.5, description="Probability that a training step sees a descriptor.")
    loss_weights: BridgeLossConfig = Field(BridgeLossConfig(), description="Weights of the losses.")
