"""The section `methods`: the few-shot baselines that stand in the table."""

from typing import Literal, get_args

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from syntrans.config import StrictModel

MethodName = Literal[
    "euclidean",
    "simpleshot",
    "logistic",
    "ridge",
    "cosine",
    "gidaris",
    "fsktn",
    "am3",
    "semalign",
    "zero_shot_name",
    "zero_shot_descriptors",
    "dclip",
    "tip_adapter",
    "tip_adapter_f",
]


class MethodsConfig(StrictModel):
    """Other methods that `train` chooses and trains on base and val, to stand in the table beside ours."""

    names: tuple[MethodName, ...] = Field(
        get_args(MethodName),
        description="Methods in the table; the last five only where the encoder is CLIP's.",
    )
    episodes: PositiveInt = Field(600, description="Val episodes that settings are chosen on.")
    views: NonNegativeInt = Field(
        5,
        description="Augmented views per support for logistic regression; 0: the supports themselves.",
    )
    steps: PositiveInt = Field(400, description="Training steps of a head by our recipe (gidaris, am3, semalign).")
    published_steps: PositiveInt = Field(
        2400, description="Most steps of a published recipe (gidaris, semalign), whose schedule is shortened to them."
    )
    batch: PositiveInt = Field(8, description="Tasks in a step.")
    lr: PositiveFloat = 1e-3
    hidden: PositiveInt = Field(1024, description="Hidden units of SemAlign by our recipe; published: 4096.")
    seed: NonNegativeInt = 0
