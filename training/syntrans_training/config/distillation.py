"""The section `distill`: a CLIP that teaches the trained encoder."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, field_validator

from syntrans.config import Gone, Renamed, StrictModel


class DistillWeightsConfig(StrictModel):
    """Weights of what the student is asked to agree with its teacher on; 0 switches a term off."""

    text: NonNegativeFloat = Field(1.0, description="Weight of the loss of which anchor texts a picture is like.")
    relation: NonNegativeFloat = Field(1.0, description="Weight of the loss of which other pictures it is like.")
    feature: NonNegativeFloat = Field(0.5, description="Weight of the distance of its feature, 1 less the cosine.")
    cross_entropy: NonNegativeFloat = Field(
        0.0, description="Weight of the cross-entropy of the class labels; with 0 none is read."
    )


class DistillConfig(StrictModel):
    """Distillation of a CLIP into the trained encoder; precision, views and sizes are the encoder's."""

    old_keys: ClassVar[Mapping[str, Renamed | Gone]] = {"terms": Renamed("loss_weights")}

    teacher: str | None = Field(
        None,
        description="The CLIP that teaches: an open_clip folder or package: reference; null leaves the stage out.",
    )
    views: PositiveInt = Field(10, description="Crops of every base picture that the teacher encodes, once.")
    loss_weights: DistillWeightsConfig = Field(DistillWeightsConfig(), description="Weights of the losses.")
    tau: PositiveFloat = Field(4.0, description="Temperature of the loss `text`.")
    relation_temperature: PositiveFloat = Field(0.1, description="Temperature of the loss `relation`.")
    projector: Literal["linear", "mlp"] = Field(
        "mlp", description="What takes the student's features to the teacher's space; not kept."
    )
    epochs: PositiveInt = Field(60, description="Epochs over the base pictures.")
    batch_size: int = Field(128, ge=3, description="Pictures in a training step, of all processes together.")
    optimizer: Literal["sgd", "adamw"] = Field("sgd", description="Optimizer; sgd with Nesterov's momentum.")
    lr: PositiveFloat = Field(0.02, description="Highest learning rate; a cosine takes it to 0.")
    weight_decay: NonNegativeFloat = Field(5e-4, description="Weight decay.")
    warmup_epochs: NonNegativeFloat = Field(1.0, description="Epochs in which the learning rate rises from 0.")
    val_every: PositiveInt = Field(
        5,
        description="Epochs between validation checks (logged; the acceptance check reads the first and the last).",
    )

    @field_validator("loss_weights")
    @classmethod
    def _ask_something(cls, weights: DistillWeightsConfig) -> DistillWeightsConfig:
        if not any(weights.model_dump().values()):
            raise ValueError("every weight is 0; give one of them another, or set distill.teacher=null")
        return weights
