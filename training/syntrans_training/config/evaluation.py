"""`syntrans evaluate`: the few-shot tasks and how they are scored."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt

from syntrans.config import Gone, Renamed, StrictModel


class EpisodesConfig(StrictModel):
    """Shape of the few-shot tasks."""

    ways: int = Field(5, ge=2, description="Classes of a task.")
    shots: tuple[PositiveInt, ...] = Field(
        (1, 5), min_length=1, description="Supports of a class; every number is a column of the table."
    )
    queries: PositiveInt = Field(15, description="Queries of a class.")
    episodes: int = Field(2000, ge=2, description="Number of tasks; one alone has no interval.")
    seed: NonNegativeInt = Field(0, description="Seed of the tasks.")

    @property
    def shape(self) -> dict[str, Any]:
        """What tasks look like, of every number of shots: `ways`, `shots` and `queries`."""
        return self.model_dump(include={"ways", "shots", "queries"})


class FrozenEpisodesConfig(EpisodesConfig):
    """The tasks of an evaluation: drawn from the seed, or those of a file."""

    file: str | None = Field(
        None,
        description="An episodes file, or the folder of an evaluation whose tasks are to be taken.",
    )

    def like(self, *, ways: int, shots: tuple[int, ...], queries: int) -> Self:
        """The same, of this shape wherever none was given."""
        shape = {"ways": ways, "shots": shots, "queries": queries}
        return self.model_copy(update={key: value for key, value in shape.items() if key not in self.model_fields_set})


class EvaluateConfig(StrictModel):
    """Everything `syntrans evaluate` needs besides the checkpoint."""

    old_keys: ClassVar[Mapping[str, Renamed | Gone]] = {
        "split": Gone("an evaluation is always of the novel classes"),
        "leak": Renamed("seen_queries, and its values bar, refuse, drop to exclude, error, drop_episode"),
        "shuffles": Renamed("control_draws"),
    }

    device: str = Field("auto", description="Device: auto, cpu, cuda or cuda:N.")
    episodes: FrozenEpisodesConfig = Field(FrozenEpisodesConfig(), description="The tasks.")
    seen_queries: Literal["exclude", "error", "drop_episode"] = Field(
        "exclude",
        description="What happens where queries meet pictures that mining saw (docs/training.md).",
    )
    interval: Literal["normal", "t"] = Field("normal", description="Distribution behind the 95 % intervals.")
    control_draws: PositiveInt = Field(5, description="Draws over which the shuffled and random controls are averaged.")
    chunk: PositiveInt = Field(500, description="Episodes held in memory at once.")

    @property
    def tasks(self) -> dict[str, Any]:
        """The tasks of one number of shots, as `open_episodes` takes them."""
        episodes = self.episodes.model_dump(include={"ways", "queries", "episodes", "seed", "file"})
        return episodes | {"seen_queries": self.seen_queries}

    def like(self, *, ways: int, shots: tuple[int, ...], queries: int) -> Self:
        """The same, with tasks of this shape wherever none was given."""
        return self.model_copy(update={"episodes": self.episodes.like(ways=ways, shots=shots, queries=queries)})
