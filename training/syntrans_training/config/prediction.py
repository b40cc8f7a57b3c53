"""`syntrans predict` and `syntrans serve`: what `--set` changes."""

from typing import Literal

from pydantic import Field, PositiveInt

from syntrans.config import StrictModel


class ServeConfig(StrictModel):
    """Everything that `--set` of serve knows."""

    coverage: float = Field(
        default=0.95, gt=0, lt=1, description="Share of prediction sets that should contain the right class."
    )


class ReaderConfig(StrictModel):
    """Where pictures are looked at."""

    kind: Literal["local", "ray"] = Field(
        "local", description="local: here; ray: by processes of a Ray cluster (docs/cluster.md)."
    )
    workers: PositiveInt = Field(1, description="Processes of the cluster, for kind ray.")
    ray_address: str | None = Field(
        None, description="Cluster for kind ray; auto: the one of this machine; null: one is started here."
    )


class PredictConfig(ServeConfig):
    """Everything that `--set` of predict knows."""

    engine: ReaderConfig = Field(ReaderConfig(), description="Where pictures are looked at.")
    imagined: str | None = Field(
        None, description="imagined.parquet or its folder: kept pictures of classes without any become their supports."
    )
    imagined_supports: PositiveInt = Field(5, description="At most so many imagined pictures of a class.")
