"""`syntrans train`: all sections together, and one seed for those that have none of their own."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field, NonNegativeInt, model_validator

from syntrans.config import Gone, Renamed, StrictModel
from syntrans_training.config.baselines import BaselinesConfig
from syntrans_training.config.bridge import VSBirdConfig
from syntrans_training.config.data import DataConfig
from syntrans_training.config.distillation import DistillConfig
from syntrans_training.config.encoder import EncoderConfig
from syntrans_training.config.evaluation import EpisodesConfig
from syntrans_training.config.ridge import RidgeConfig
from syntrans_training.config.text import TextConfig


class TrainConfig(StrictModel):
    """Everything `syntrans train` needs besides the descriptor file."""

    # `vsbird` does not become `bridge`: that was the ridge baseline's section, several of whose keys the bridge has
    # too, so an old config would be read without an error and mean something else.
    old_keys: ClassVar[Mapping[str, Renamed | Gone]] = {"bridge": Renamed("ridge"), "methods": Renamed("baselines")}

    seed: NonNegativeInt = Field(0, description="Seed of everything random; a section's own seed goes before it.")
    device: str = Field("auto", description="Device: auto, cpu, cuda or cuda:N.")
    data: DataConfig = Field(DataConfig(), description="Pictures and classes.")
    encoder: EncoderConfig = Field(EncoderConfig(), description="The network from pictures to features.")
    distill: DistillConfig = Field(DistillConfig(), description="A CLIP that teaches the encoder.")
    text: TextConfig = Field(TextConfig(), description="The text encoder and its sentences.")
    ridge: RidgeConfig = Field(RidgeConfig(), description="The ridge baseline and how features are standardised.")
    vsbird: VSBirdConfig = Field(VSBirdConfig(), description="The bridge from text to pictures (VSBird).")
    baselines: BaselinesConfig = Field(BaselinesConfig(), description="Other few-shot methods in the table.")
    episodes: EpisodesConfig = Field(EpisodesConfig(), description="The few-shot tasks.")
    imagined_supports: NonNegativeInt = Field(
        0, description="Imagined pictures of a class that are its further supports, in a row of their own; 0: no row."
    )
    imagined: str | None = Field(
        None, description="imagined.parquet or its folder, for imagined_supports; null takes the newest."
    )

    def with_split(self, path: str) -> "TrainConfig":
        """The same with this split file."""
        return self.model_copy(update={"data": self.data.model_copy(update={"split_file": path})})

    @property
    def text_choice(self) -> dict[str, str]:
        """What decides the text encoder, as `text_encoder_choice` takes it."""
        encoder = self.encoder
        return {
            "named": self.text.encoder,
            "path": self.data.path,
            "backbone": encoder.backbone,
            "method": encoder.method,
        }

    @model_validator(mode="before")
    @classmethod
    def _one_seed(cls, values: Any) -> Any:
        """Sections without a seed of their own get one from `seed`: what they declare where it is 0."""
        seed = values.get("seed", 0) if isinstance(values, dict) else None
        if not isinstance(seed, int):
            return values  # pydantic says what is wrong with it
        seeded = dict(values)
        for name, (section, step) in _SEEDED.items():
            given = values.get(name, {})
            if isinstance(given, section):
                given = given.model_dump(exclude_unset=True)
            if isinstance(given, dict):
                seeded[name] = {"seed": section.model_fields["seed"].default + step * seed, **given}
        return seeded


_SEEDED: dict[str, tuple[type[StrictModel], int]] = {
    "ridge": (RidgeConfig, 1),
    "vsbird": (VSBirdConfig, 1000),  # of two seeds no head is the same, however many there are
    "baselines": (BaselinesConfig, 1),
    "episodes": (EpisodesConfig, 1),
}
