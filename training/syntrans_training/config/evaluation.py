"""`syntrans evaluate`: the few-shot tasks and how they are scored."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from syntrans.config import Gone, Renamed, StrictModel


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

    old_keys: ClassVar[Mapping[str, Renamed | Gone]] = {
        "split": Gone("an evaluation is always of the novel classes"),
        "leak": Renamed("seen_queries, and its values bar, refuse, drop to exclude, error, drop_episode"),
        "shuffles": Renamed("control_draws"),
    }

    device: str = "auto"
    episodes: FrozenEpisodesConfig = FrozenEpisodesConfig()
    seen_queries: Literal["exclude", "error", "drop_episode"] = Field(
        "exclude",
        description="What happens where queries meet pictures that mining saw (docs/training.md).",
    )
    interval: Literal["normal", "t"] = "normal"
    control_draws: PositiveInt = Field(5, description="Draws over which the shuffled and random controls are averaged.")
    chunk: PositiveInt = Field(500, description="Episodes held in memory at once.")
