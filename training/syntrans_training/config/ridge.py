"""The section `ridge`: the ridge baseline, and how features are standardised for all rows but the bridge's."""

from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from syntrans.config import StrictModel
from syntrans_training.config.shares import Share


class RidgeConfig(StrictModel):
    """The ridge baseline: the grids that it and the standardisation of features are chosen from, on val episodes."""

    shrinkages: tuple[PositiveFloat | None, ...] = Field(
        default=(None, 0.1, 0.3, 1.0, 3.0, 10.0),
        min_length=1,
        description="Shrinkages of the standardisation; null: features are only made unit.",
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
    class_names: Literal["auto", "keep", "drop"] = Field(
        "auto",
        description=(
            "Whether descriptors keep the class names in them; drop: `it` in their place, and `thing` for the {name} "
            "of text.descriptor_template; auto: what val prefers. Names beside the descriptors: name_shares."
        ),
    )
    alpha_step: float = Field(0.05, gt=0.0, le=1.0, description="Step of the grid of alpha, from 0 to 1.")
    episodes: PositiveInt = Field(1000, description="Val episodes that settings are chosen on.")
    seed: NonNegativeInt = Field(
        1, description="Seed of the val episodes; unless told, 1 more than the seed of the run."
    )
