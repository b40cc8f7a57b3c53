"""The section `encoder`: backbone, training method and schedule."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
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

    epochs: PositiveInt = Field(8, description="Epochs.")
    lr: PositiveFloat = Field(0.001, description="Highest learning rate; there is no warm-up.")
    decay_epochs: tuple[PositiveInt, ...] = Field(
        (5,), description="With schedule steps: the learning rate falls to a tenth after each of these epochs."
    )
    temperature: PositiveFloat = Field(2.0, description="Temperature of the distillation.")
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
    relation: Literal["soft", "distance", "prototype"] = Field(
        "soft", description="Which spatial relation loss (docs/method.md (16) and (17))."
    )
    temperature: PositiveFloat = Field(0.5, description="Temperature of the soft targets.")
    knowledge: Literal["descriptors", "statements", "name", "random", "shuffled", "none"] = Field(
        "descriptors",
        description=(
            "What the teacher is told of the classes; statements: which descriptors a class has, read by no text "
            "encoder; the last three are controls."
        ),
    )
    queries_told: bool = Field(
        False,
        description="Upper bound: a student's teacher is told the classes of base queries and need not predict them.",
    )
    name_share: Share = Field(0.0, description="Share of the class name in a class vector.")
    teacher_backbone: str = Field(
        "own",
        description="Backbone of the teacher: own, timm:<..>, open_clip:<..>, or a folder of `syntrans train`.",
    )
    width: PositiveInt = Field(512, description="Width of the space of pictures and knowledge.")
    mirror_weight: NonNegativeFloat = Field(1.0, description="Weight of the mirror losses.")
    teacher_epochs: PositiveInt = Field(10, description="Epochs of the teacher.")
    teacher_lr: PositiveFloat = Field(1e-3, description="Highest learning rate of the teacher.")
    ways: int = Field(5, ge=2, description="Classes of a training task.")
    shots: PositiveInt = Field(1, description="Supports of a class in a training task.")
    queries: PositiveInt = Field(15, description="Queries of a class in a training task.")
    tasks_per_step: PositiveInt = Field(1, description="Base-class tasks in a training step.")
    steps_per_epoch: PositiveInt = Field(200, description="Steps in an epoch.")


class EncoderConfig(StrictModel):
    """Encoder and its training on the base classes."""

    old_keys: ClassVar[Mapping[str, Renamed | Gone]] = {"distill": Renamed("generation1")}
    old_values: ClassVar[Mapping[str, Mapping[str, str]]] = {"method": {"given": "precomputed"}}

    method: Literal["cross_entropy", "skd-gen0", "skd-gen1", "cmkd", "frozen", "precomputed"] = Field(
        "cross_entropy",
        description=(
            "How it is trained. skd-gen1 trains skd-gen0 first, cmkd its teacher; frozen trains nothing: features "
            "straight from the tower; precomputed: data.path holds features instead of pictures."
        ),
    )
    backbone: str = Field(
        "resnet12-narrow",
        description="resnet12, resnet12-narrow, resnet12-tiny, conv4, timm:<name or folder>, open_clip:<folder>.",
    )
    drop_rate: float = Field(0.0, ge=0.0, lt=1.0, description="Share of a feature map that DropBlock drops.")
    drop_block: PositiveInt = Field(5, description="Side of the squares that DropBlock drops.")
    drop_ramp_steps: PositiveInt | None = Field(
        None,
        description="Steps until drop_rate is reached; null: half of the training.",
    )
    train_size: ViewSize = Field(64, description="Side of a training view, in pixels.")
    test_size: ViewSize = Field(64, description="Side of the picture that features are extracted from, in pixels.")
    epochs: PositiveInt = Field(25, description="Epochs over the base pictures.")
    batch_size: PositiveInt = Field(64, description="Pictures in a training step, of all processes together.")
    optimizer: Literal["sgd", "sgd-published", "adamw"] = Field(
        "sgd",
        description="Optimizer; sgd-published: no Nesterov, every parameter decays.",
    )
    lr: PositiveFloat = Field(0.05, description="Highest learning rate.")
    schedule: Literal["cosine", "steps"] = Field(
        "cosine", description="How the learning rate falls: to 0 along a cosine, or at decay_epochs."
    )
    decay_epochs: tuple[PositiveInt, ...] = Field(
        (),
        description="With schedule steps: lr falls to a tenth after each of these epochs.",
    )
    weight_decay: NonNegativeFloat = Field(5e-4, description="Weight decay.")
    warmup_epochs: NonNegativeFloat = Field(1.0, description="Epochs in which the learning rate rises from 0.")
    label_smoothing: float = Field(0.0, ge=0.0, lt=1.0, description="Share of a label that all classes get.")
    rotation_gamma: NonNegativeFloat = Field(2.0, description="Weight of SKD's rotation loss.")
    generation1: Generation1Config = Field(Generation1Config(), description="SKD's second generation.")
    cmkd: CMKDConfig = Field(CMKDConfig(), description="Relation distillation from a teacher that reads.")
    ema: float = Field(
        default=0.0,
        ge=0.0,
        lt=1.0,
        description="Decay per step of a weight average, kept in place of the weights.",
    )
    batchnorm_pictures: NonNegativeInt = Field(
        0,
        description=(
            "Whole base pictures, at test_size, of which BatchNorm's statistics are taken again at the end of the "
            "training; 0: those of training views stay."
        ),
    )
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto",
        description="Numbers of training and features; auto: bf16 where it is faster, else fp16 on GPUs, fp32 on CPUs.",
    )
    compile: Literal["auto", "never", "always"] = Field(
        "auto", description="Whether torch.compile is used; auto: on CUDA."
    )
    save_minutes: NonNegativeFloat = Field(
        5.0,
        description="Minutes between saved states; the end of an epoch always leaves one.",
    )
    val_every: PositiveInt = Field(5, description="Epochs between validation checks (logged, never selected on).")
    augment: AugmentConfig = Field(AugmentConfig(), description="Random views of training pictures.")
    normalise: NormaliseConfig = Field(NormaliseConfig(), description="Means and deviations of the colours.")

    @field_validator("backbone")
    @classmethod
    def _is_known(cls, name: str) -> str:
        if name not in BACKBONES and not name.startswith(("timm:", "open_clip:")):
            raise ValueError(f"unknown; known are {', '.join(BACKBONES)}, timm:<name or folder>, open_clip:<folder>")
        return name
