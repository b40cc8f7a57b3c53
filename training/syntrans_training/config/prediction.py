"""`syntrans predict` and `syntrans serve`: what `--set` changes."""

from typing import Literal

from pydantic import Field, PositiveInt

from syntrans.config import StrictModel


class ServeConfig(StrictModel):
    """`coverage`: share of prediction sets that should contain the right class."""

    coverage: float = Field(default=0.95, gt=0, lt=1)


class ReaderConfig(StrictModel):
    """Where pictures are looked at: here, or by `workers` processes of a Ray cluster.

    `ray_address`: of the cluster (`auto`: the one this machine belongs to); null starts one here.
    """

    kind: Literal["local", "ray"] = "local"
    workers: PositiveInt = 1
    ray_address: str | None = None


class PredictConfig(ServeConfig):
    """Everything that `--set` of predict knows."""

    engine: ReaderConfig = ReaderConfig()
