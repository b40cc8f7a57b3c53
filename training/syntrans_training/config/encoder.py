"""The section `encoder`: backbone, training method and schedule."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import (
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    field_validator,
)

from syntrans.config import Gone, Renamed, StrictModel
from syntrans_training.config.data import AugmentConfig, NormaliseConfig
from syntrans_training.config.shares import Share

ViewSize = Annotated[int, Field(ge=16)]  # the encoders halve a picture four times
BACKBONES = ("resnet12", "resnet12-narrow", "resnet12-tiny", "conv4")


class Generation1Config(StrictModel):
    """Generation 1 of SKD, for `method: skd-gen1`; what is not here is as in generation 0."""

    epochs: PositiveInt = 8
    lr: PositiveFloat = 0.001
    decay_epochs: tuple[PositiveInt, ...] = (5,)
    temperature: PositiveFloat = 2.0
    gamma: NonNegativeFloat = Field(0.1, description="Weight of the twin turned by 180 degrees.")


class CMKDConfig(StrictModel):
    """CMKD, for `method: cmkd`: tasks of base classes, a teacher told about them, and what its student keeps of it.

    The student's own training is as the rest of the encoder's section says, with `steps_per_epoch` steps of tasks.
    """

    old_keys: ClassVar[Mapping[str, Renamed | Gone]] = {
        "srl": Renamed("relation_weight"),
        "eyes": Renamed("teacher_backbone"),
        "mirror": Renamed("mirror_weight"),
        "tasks": Renamed("tasks_per_step"),
        "steps": Renamed("steps_per_epoch"),
    }

    relation_weight: NonNegativeFloat = Field(
        1.0,
        description="Weight of the spatial relation loss; 0: the student alone, no teacher is trained.",
    )
    relation: Literal["soft", "distance", "prototype"] = "soft"
    temperature: PositiveFloat = Field(0.5, description="Temperature of the soft targets.")
    knowledge: Literal["descriptors", "name", "random", "shuffled", "none"] = Field(
        "descriptors",
        description="What the teacher is told of the classes; the last three are controls.",
    )
    name_share: Share = Field(0.0, description="Share of the class name in a class vector.")
    teacher_backbone: str = Field(
        "own",
        description="Backbone of the teacher: own, timm:<..>, open_clip:<..>, or a folder of `syntrans train`.",
    )
    width: PositiveInt = Field(512, description="Width of the space of pictures and knowledge.")
    mirror_weight: NonNegativeFloat = Field(1.0, description="Weight of the mirror losses.")
    teacher_epochs: PositiveInt = 10
    teacher_lr: PositiveFloat = 1e-3
    ways: int = Field(default=5, ge=2)
    shots: PositiveInt = 1
    queries: PositiveInt = 15
    tasks_per_step: PositiveInt = Field(1, description="Base-class tasks in a training step.")
    steps_per_epoch: PositiveInt = Field(200, description="Steps in an epoch.")


class EncoderConfig(StrictModel):
    """Encoder and its training on the base classes."""

    old_keys: ClassVar[Mapping[str, Renamed | Gone]] = {"distill": Renamed("generation1")}
    old_values: ClassVar[Mapping[str, Mapping[str, str]]] = {"method": {"given": "precomputed"}}

    method: Literal["cross_entropy", "skd-gen0", "skd-gen1", "cmkd", "frozen", "precomputed"] = Field(
        "cross_entropy",
        description=(
            "Skd-gen1 trains skd-gen0 first, cmkd its teacher; frozen trains nothing: features straight from the "
            "tower; precomputed: data.path holds features instead of pictures."
        ),
    )
    backbone: str = Field(
        "resnet12-narrow",
        description="resnet12, resnet12-narrow, resnet12-tiny, conv4, timm:<name or folder>, open_clip:<folder>.",
    )
    drop_rate: float = Field(default=0.0, ge=0.0, lt=1.0)
    drop_block: PositiveInt = Field(5, description="Side of the squares that DropBlock drops.")
    drop_ramp_steps: PositiveInt | None = Field(
        None,
        description="Steps until drop_rate is reached; none: half of the training.",
    )
    train_size: ViewSize = Field(64, description="Side of a training view.")
    test_size: ViewSize = Field(64, description="Side of the picture that features are extracted from.")
    epochs: PositiveInt = 25
    batch_size: PositiveInt = 64
    optimizer: Literal["sgd", "sgd-published", "adamw"] = Field(
        "sgd",
        description="Optimizer; sgd-published: no Nesterov, every parameter decays.",
    )
    lr: PositiveFloat = 0.05
    schedule: Literal["cosine", "steps"] = "cosine"
    decay_epochs: tuple[PositiveInt, ...] = Field(
        (),
        description="With schedule steps: lr falls to a tenth after each of these epochs.",
    )
    weight_decay: NonNegativeFloat = 5e-4
    warmup_epochs: NonNegativeFloat = 1.0
    label_smoothing: float = Field(default=0.0, ge=0.0, lt=1.0)
    rotation_gamma: NonNegativeFloat = Field(2.0, description="Weight of SKD's rotation loss.")
    generation1: Generation1Config = Generation1Config()
    cmkd: CMKDConfig = CMKDConfig()
    ema: float = Field(
        default=0.0,
        ge=0.0,
        lt=1.0,
        description="Decay per step of a weight average, kept in place of the weights.",
    )
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    compile: Literal["auto", "never", "always"] = Field(
        "auto", description="Whether torch.compile is used; auto: on CUDA."
    )
    save_minutes: NonNegativeFloat = Field(
        5.0,
        description="Minutes between saved states; the end of an epoch always leaves one.",
    )
    val_every: PositiveInt = Field(5, description="Epochs between validation checks (logged, never selected on).")
    augment: AugmentConfig = AugmentConfig()
    normalise: NormaliseConfig = NormaliseConfig()

    @field_validator("backbone")
    @classmethod
    def _is_known(cls, name: str) -> str:
        if name not in BACKBONES and not name.startswith(("timm:", "open_clip:")):
            raise ValueError(f"unknown; known are {', '.join(BACKBONES)}, timm:<name or folder>, open_clip:<folder>")
        return name
