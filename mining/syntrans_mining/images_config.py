"""How a mining run reads its pictures: the section ``images`` of its configuration."""

from __future__ import annotations

from pydantic import Field

from syntrans.config import StrictModel
from syntrans.images.columns import Columns


class ImagesConfig(StrictModel):
    """How the pictures are read, and which no model is shown."""

    image_column: str | None = Field(None, description="Column of pictures in Parquet; null takes image or img.")
    label_column: str | None = Field(
        None,
        description="Class column; null takes class, label, class_name, class_id or fine_label, if they agree.",
    )
    max_broken_share: float = Field(
        0.05,
        ge=0.0,
        le=1.0,
        description="Share of the pictures that may be broken; two always may. They are skipped and named.",
    )
    reserve: int = Field(
        20,
        ge=0,
        description=(
            "Pictures of every class that no model is shown, for the tasks of training and evaluation; of a class "
            "with no more than that, half are shown, and at least one."
        ),
    )

    @property
    def columns(self) -> Columns:
        """The columns, as the reader takes them."""
        return Columns(self.image_column, self.label_column, section="images")
