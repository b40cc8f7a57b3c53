"""The section `data`, and how its pictures are augmented and normalised."""

from typing import Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from syntrans.config import StrictModel
from syntrans.images.columns import Columns
from syntrans_training.config.shares import PositiveShare


class DataConfig(StrictModel):
    """Where the pictures are, and which classes are base, val and novel; docs/data.md has every layout."""

    path: str = Field(
        "world",
        description='A folder, Parquet (also a glob), an archive, hf://org/name, "world", "world-fine/<slot>".',
    )
    dataset: Literal["auto", "mini", "tiered", "cifar-fs", "fc100", "cub", "cub-feat", "cub-easyfsl"] = Field(
        "auto",
        description="Which data set it is; auto finds base, val and novel, and whatever can be only one thing.",
    )
    split_file: str | None = Field(
        None,
        description=(
            'What divides the classes: JSON {"base": [...], "val": [...], "novel": [...]}, a shipped one '
            "(caltech101-animals), or chance: auto, or shares 0.6/0.2/0.2."
        ),
    )
    image_column: str | None = Field(None, description="Column of pictures in Parquet; null takes image or img.")
    label_column: str | None = Field(
        None,
        description="Class column; null takes class, label, class_name, class_id or fine_label, if they agree.",
    )
    size: PositiveInt = Field(64, description="Side of the stored square pictures, in pixels.")
    per_class: PositiveInt = Field(60, description='Pictures per class drawn when path is "world".')
    limit_per_class: PositiveInt | None = Field(None, description="Most pictures that are read of a class; null: all.")
    max_broken_share: float = Field(
        default=0.05,
        ge=0.0,
        le=1.0,
        description="Share of a part's pictures that may be broken; two always may.",
    )

    @property
    def columns(self) -> Columns:
        """The Parquet columns, as the readers take them."""
        return Columns(self.image_column, self.label_column)


class AugmentConfig(StrictModel):
    """Random views of a training picture; a picture is stored at data.size and cropped from there."""

    crop_area: tuple[PositiveShare, PositiveShare] = Field(
        (0.35, 1.0),
        description="Share of the picture's area a crop keeps.",
    )
    crop_pad: NonNegativeInt | None = Field(
        None,
        description=(
            "Instead: cut train_size x train_size at a random place of the picture, padded with black by so many "
            "pixels."
        ),
    )
    flip: float = Field(0.5, ge=0.0, le=1.0, description="Probability that a picture is mirrored.")
    jitter: NonNegativeFloat = Field(0.4, description="Brightness, contrast and saturation vary by 1 +- jitter.")


class NormaliseConfig(StrictModel):
    """Means and deviations of red, green and blue (values in [0, 1]); default: ImageNet's. Towers bring their own."""

    mean: tuple[float, float, float] = Field((0.485, 0.456, 0.406), description="Means.")
    std: tuple[PositiveFloat, PositiveFloat, PositiveFloat] = Field(
        (0.229, 0.224, 0.225), description="Standard deviations."
    )
