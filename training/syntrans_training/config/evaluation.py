"""`syntrans evaluate`: the few-shot tasks and how they are scored."""

from typing import Any, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from syntrans.config import StrictModel
from syntrans_training.config.old_keys import refuse_old_keys


class EpisodesConfig(StrictModel):
    """Shape of the few-shot tasks."""

    ways: int = Field(default=5, ge=2)
    shots: tuple[PositiveInt, ...] = Field(default=(1, 5), min_length=1)
    queries: PositiveInt = 15
    episodes: int = Field(default=2000, ge=2, description="Number of tasks; one alone has no interval.")
    seed: NonNegativeInt = 0


class FrozenEpisodesConfig(EpisodesConfig):
    """The tasks of an evaluation: drawn from the seed, or those of a file."""

    file: str | None = Field(
        None,
        description="An episodes file, or the folder of an evaluation whose tasks are to be taken.",
    )


class EvaluateConfig(StrictModel):
    """Everything `syntrans evaluate` needs besides the checkpoint."""

    device: str = "auto"
    episodes: FrozenEpisodesConfig = FrozenEpisodesConfig()
    leak: Literal["bar", "refuse", "drop"] = Field(
        "bar",
        description="What happens where queries meet pictures that mining saw; see README.",
    )
    interval: Literal["normal", "t"] = "normal"
    shuffles: PositiveInt = Field(5, description="Draws over which the shuffled and random controls are averaged.")
    chunk: PositiveInt = Field(500, description="Episodes held in memory at once.")

    @model_validator(mode="before")
    @classmethod
    def _old_keys(cls, values: Any) -> Any:
        return refuse_old_keys(values, {"split": "is gone: an evaluation is always of the novel classes"})
