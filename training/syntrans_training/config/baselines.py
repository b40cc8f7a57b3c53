"""The section `baselines`: the few-shot baselines that stand in the table."""

from collections.abc import Mapping
from typing import ClassVar, Literal, get_args

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from syntrans.config import Gone, Renamed, StrictModel

BaselineName = Literal[
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


class BaselinesConfig(StrictModel):
    """Other methods that `train` chooses and trains on base and val, to stand in the table beside ours."""

    old_keys: ClassVar[Mapping[str, Renamed | Gone]] = {"batch": Renamed("tasks_per_step")}

    names: tuple[BaselineName, ...] = Field(
        get_args(BaselineName),
        description="Baselines in the table; those of CLIP only where the encoder is CLIP's.",
    )
    episodes: PositiveInt = Field(600, description="Val episodes that settings are chosen on.")
    views: NonNegativeInt = Field(
        5,
        description="Augmented views per support for logistic regression; 0: the supports themselves.",
    )
    steps: PositiveInt = Field(400, description="Training steps of a head by our recipe (gidaris, am3, semalign).")
    published_steps: PositiveInt = Field(
        2400,
        description="Most steps of a published recipe (gidaris, am3, semalign), whose schedule is shortened to them.",
    )
    tasks_per_step: PositiveInt = Field(8, description="Base-class tasks in a training step.")
    lr: PositiveFloat = Field(1e-3, description="Learning rate of the heads (Adam).")
    hidden: PositiveInt = Field(1024, description="Hidden units of SemAlign by our recipe; published: 4096.")
    seed: NonNegativeInt = Field(0, description="Seed of heads and views; unless told, the seed of the run.")
