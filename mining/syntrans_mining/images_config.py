"""How a mining run reads its pictures: the section ``images`` of its configuration."""

from __future__ import annotations

from pydantic import Field

from syntrans.config import StrictModel
from syntrans.images.columns import Columns


class ImagesConfig(StrictModel):
    """How the pictures are read: the columns of Parquet (null: the usual names), and how many may be broken.

    At most the share ``max_broken_share`` of the pictures that are looked at, or two; they are skipped and named.
    ``reserve``: so many of every class no model is shown, for the tasks of training and evaluation (5 shots and 15
    queries, unless told otherwise). Of a class with no more than that, half are shown, and at least one.
    """

    image_column: str | None = None
    label_column: str | None = None
    max_broken_share: float = Field(default=0.05, ge=0.0, le=1.0)
    reserve: int = Field(default=20, ge=0)

    @property
    def columns(self) -> Columns:
        """The columns, as the reader takes them."""
        return Columns(self.image_column, self.label_column, section="images")
