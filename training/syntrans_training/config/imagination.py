"""`syntrans imagine`: which diffusion model makes how many pictures of every class, and who judges them."""

from typing import Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt, field_validator

from syntrans.config import StrictModel
from syntrans_training.config.text import TextConfig


class ImagineConfig(StrictModel):
    """Everything `syntrans imagine` needs besides the descriptor file."""

    seed: NonNegativeInt = Field(0, description="From it, the class and the prompt follows the seed of every picture.")
    device: str = Field(
        "auto", description="Device: auto (every GPU, each with a share of the pictures), cpu or cuda:N."
    )
    model: str | None = Field(
        None,
        description="A latent diffusion model in diffusers' form: a folder, package: reference or Hub id; no default.",
    )
    clip: str = Field(..., description="The open_clip folder that judges pictures, and whose space FLIER trains in.")
    precision: Literal["auto", "fp32", "fp16", "bf16"] = Field("auto", description="auto: fp16 on GPUs, else fp32.")
    classes: tuple[str, ...] = Field((), description="Ids or names of the classes to imagine; none means all.")
    per_class: PositiveInt = Field(20, description="Pictures of every class.")
    prompts: PositiveInt = Field(8, description="Different prompts of a class, which take turns; 4 and more are wise.")
    templates: tuple[str, ...] = Field(
        (
            "a photo of a {name}, {descriptors}",
            "a close-up photo of a {name}, {descriptors}",
            "a photo of one {name}, {descriptors}",
            "a good photo of the {name}, {descriptors}",
        ),
        min_length=1,
        description="What is said around the descriptors, by turns: as many as the text encoder reads without cutting.",
    )
    summaries: bool = Field(default=True, description="One of the prompts is the class's summary, where it fits.")
    undescribed: Literal["error", "name"] = Field(
        "error", description="A class of which no descriptor is kept: an error, or imagined by its name alone."
    )
    steps: PositiveInt = Field(30, description="Denoising steps.")
    guidance: NonNegativeFloat = Field(2.0, description="Guidance scale; low is better for training (DataDream: 2).")
    size: PositiveInt | None = Field(None, description="Side of the pictures, in pixels; null takes the model's own.")
    batch: PositiveInt = Field(8, description="Pictures that are made at once.")
    min_margin: float = Field(0.0, description="CLIP's lead over the nearest other class that a kept picture needs.")
    text: TextConfig = Field(TextConfig(), description="The sentences that CLIP judges by.")

    @field_validator("templates")
    @classmethod
    def _can_be_filled_in(cls, templates: tuple[str, ...]) -> tuple[str, ...]:
        for template in templates:
            try:
                template.format(name="", descriptors="")
            except (LookupError, ValueError, AttributeError) as error:
                raise ValueError(f"{template!r} knows {{name}}, {{descriptors}} and no other braces") from error
        return templates
