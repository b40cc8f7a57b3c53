"""Configuration of `syntrans train` and `syntrans evaluate`: frozen, complete, no unknown keys.

A config ends at the builders in `train.py`, `stages.py` and `evaluate.py`; modules and methods take plain arguments.
"""

from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AliasChoices,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationInfo,
    field_validator,
    model_validator,
)

from syntrans.config import StrictModel
from syntrans.images.columns import Columns
from syntrans.sentences import PLACES

Share = Annotated[float, Field(ge=0.0, le=1.0)]
PositiveShare = Annotated[float, Field(gt=0.0, le=1.0)]
ViewSize = Annotated[int, Field(ge=16)]  # the encoders halve a picture four times
BACKBONES = ("resnet12", "resnet12-narrow", "resnet12-tiny", "conv4")


class DataConfig(StrictModel):
    """Where the pictures are, and which classes are base, val and novel; docs/data.md has every layout."""

    path: str = "world"  # a folder, Parquet (also a glob), an archive, hf://org/name, "world", "world-fine/<slot>"
    # what it is; auto finds base, val and novel, and whatever can be only one thing
    dataset: Literal["auto", "mini", "tiered", "cifar-fs", "fc100", "cub", "cub-feat", "cub-easyfsl"] = "auto"
    # what divides the classes: JSON {"base": [...], "val": [...], "novel": [...]}, a shipped one (caltech101-animals),
    # or chance: auto, or shares 0.6/0.2/0.2
    split_file: str | None = None
    image_column: str | None = None  # of Parquet; None takes image or img
    label_column: str | None = None  # None takes class, label, class_name, class_id or fine_label, if they agree
    size: PositiveInt = 64  # side of the stored square pictures
    per_class: PositiveInt = 60  # pictures per class drawn when path is "world"
    limit_per_class: PositiveInt | None = None
    max_broken_share: float = Field(default=0.05, ge=0.0, le=1.0)  # two broken pictures of a part are always allowed

    @property
    def columns(self) -> Columns:
        """The Parquet columns, as the readers take them."""
        return Columns(self.image_column, self.label_column)


class AugmentConfig(StrictModel):
    """Random views of a training picture; a picture is stored at data.size and cropped from there."""

    crop_area: tuple[PositiveShare, PositiveShare] = (0.35, 1.0)  # share of the picture's area a crop keeps
    # instead: cut train_size x train_size at a random place of the picture, padded with black by so many pixels
    crop_pad: NonNegativeInt | None = None
    flip: float = Field(default=0.5, ge=0.0, le=1.0)
    jitter: NonNegativeFloat = 0.4  # brightness, contrast and saturation vary by 1 +- jitter


class NormaliseConfig(StrictModel):
    """Means and deviations of red, green and blue (values in [0, 1]); default: ImageNet's. Towers bring their own."""

    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[PositiveFloat, PositiveFloat, PositiveFloat] = (0.229, 0.224, 0.225)


class Generation1Config(StrictModel):
    """Generation 1 of SKD, for `method: skd-gen1`; what is not here is as in generation 0."""

    epochs: PositiveInt = 8
    lr: PositiveFloat = 0.001
    decay_epochs: tuple[PositiveInt, ...] = (5,)
    temperature: PositiveFloat = 2.0
    gamma: NonNegativeFloat = 0.1  # weight of the twin turned by 180 degrees


class CMKDConfig(StrictModel):
    """CMKD, for `method: cmkd`: tasks of base classes, a teacher told about them, and what its student keeps of it.

    The student's own training is as the rest of the encoder's section says, with `steps` tasks-steps in an epoch.
    """

    srl: NonNegativeFloat = 1.0  # weight of the spatial relation loss; 0: the student alone, no teacher is trained
    relation: Literal["soft", "distance", "prototype"] = "soft"
    temperature: PositiveFloat = 0.5  # of the soft targets
    knowledge: Literal["descriptors", "name", "random", "shuffled", "none"] = "descriptors"  # the last three: controls
    name_share: Share = 0.0  # of the class name in a class vector
    eyes: str = "own"  # of the teacher: own, timm:<..>, open_clip:<..>, or a folder of `syntrans train`
    width: PositiveInt = 512  # of the space of pictures and knowledge
    mirror: NonNegativeFloat = 1.0  # weight of the mirror losses
    teacher_epochs: PositiveInt = 10
    teacher_lr: PositiveFloat = 1e-3
    ways: int = Field(default=5, ge=2)
    shots: PositiveInt = 1
    queries: PositiveInt = 15
    tasks: PositiveInt = 1  # in a step
    steps: PositiveInt = 200  # in an epoch


class EncoderConfig(StrictModel):
    """Encoder and its training on the base classes."""

    # skd-gen1 trains skd-gen0 first, cmkd its teacher; frozen trains nothing: features straight from the tower;
    # given: data.path holds features instead of pictures
    method: Literal["cross_entropy", "skd-gen0", "skd-gen1", "cmkd", "frozen", "given"] = "cross_entropy"
    # resnet12, resnet12-narrow, resnet12-tiny, conv4, timm:<name or folder>, open_clip:<folder>
    backbone: str = "resnet12-narrow"
    drop_rate: float = Field(default=0.0, ge=0.0, lt=1.0)
    drop_block: PositiveInt = 5  # side of the squares that DropBlock drops
    drop_ramp_steps: PositiveInt | None = None  # steps until drop_rate is reached; none: half of the training
    train_size: ViewSize = 64  # side of a training view
    test_size: ViewSize = 64  # side of the picture that features are extracted from
    epochs: PositiveInt = 25
    batch_size: PositiveInt = 64
    optimizer: Literal["sgd", "sgd-published", "adamw"] = "sgd"  # published: no Nesterov, every parameter decays
    lr: PositiveFloat = 0.05
    schedule: Literal["cosine", "steps"] = "cosine"
    decay_epochs: tuple[PositiveInt, ...] = ()  # with steps: lr falls to a tenth after each of these epochs
    weight_decay: NonNegativeFloat = 5e-4
    warmup_epochs: NonNegativeFloat = 1.0
    label_smoothing: float = Field(default=0.0, ge=0.0, lt=1.0)
    rotation_gamma: NonNegativeFloat = 2.0  # weight of SKD's rotation loss
    # runs from before the stage `distill` say encoder.distill
    generation1: Generation1Config = Field(Generation1Config(), validation_alias=AliasChoices("generation1", "distill"))
    cmkd: CMKDConfig = CMKDConfig()
    ema: float = Field(default=0.0, ge=0.0, lt=1.0)  # decay per step of a weight average, kept in place of the weights
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    compile: Literal["auto", "never", "always"] = "auto"  # torch.compile; auto: on CUDA
    save_minutes: NonNegativeFloat = 5.0  # between saved states; the end of an epoch always leaves one
    val_every: PositiveInt = 5  # epochs between looks at val accuracy (logged, never selected on)
    augment: AugmentConfig = AugmentConfig()
    normalise: NormaliseConfig = NormaliseConfig()

    @field_validator("backbone")
    @classmethod
    def _is_known(cls, name: str) -> str:
        if name not in BACKBONES and not name.startswith(("timm:", "open_clip:")):
            raise ValueError(f"unknown; known are {', '.join(BACKBONES)}, timm:<name or folder>, open_clip:<folder>")
        return name


class TextConfig(StrictModel):
    """Text encoder and the sentences it reads. `{text}` is a descriptor, `{name}` the class name.

    `{which}` is the descriptor as DCLIP's clause, 'which has ...': `--set text.descriptor_template='{name}, {which}'`.
    """

    # a folder or package: reference; auto: the world's CLIP for the world, else the text tower of the pictures' CLIP,
    # else the sentence encoder of the extra `minilm`
    encoder: str = "auto"
    descriptor_template: str = "{text}"
    name_template: str = "a photo of a {name}"
    # what a kept descriptor counts in its class's vector: the weight that mining left, one of its scores, or 1
    weighting: Literal["ledger", "agreement", "grounding", "margin", "uniform"] = "ledger"

    @field_validator("descriptor_template", "name_template")
    @classmethod
    def _can_be_filled_in(cls, template: str, info: ValidationInfo) -> str:
        known = dict.fromkeys(("name",) if info.field_name == "name_template" else PLACES, "")
        try:
            template.format(**known)
        except (LookupError, ValueError, AttributeError) as error:
            places = ", ".join(f"{{{name}}}" for name in known)
            raise ValueError(f"a template knows {places} and no other braces") from error
        return template


class TermsConfig(StrictModel):
    """Weights of what the student is asked to agree with its teacher on; 0 switches a term off."""

    text: NonNegativeFloat = 1.0  # which anchor texts a picture is drawn to
    relation: NonNegativeFloat = 1.0  # which other pictures it is like
    feature: NonNegativeFloat = 0.5  # where it lies
    cross_entropy: NonNegativeFloat = 0.0  # of the class labels; with 0 none is read


class DistillConfig(StrictModel):
    """Distillation of a CLIP into the trained encoder; precision, views and sizes are the encoder's."""

    teacher: str | None = None  # an open_clip folder or package: reference; null leaves the stage out
    views: PositiveInt = 10  # crops of every base picture that the teacher looks at, once
    terms: TermsConfig = TermsConfig()
    tau: PositiveFloat = 4.0  # temperature of the term `text`
    relation_temperature: PositiveFloat = 0.1
    projector: Literal["linear", "mlp"] = "mlp"
    epochs: PositiveInt = 60
    batch_size: int = Field(default=128, ge=3)
    optimizer: Literal["sgd", "adamw"] = "sgd"
    lr: PositiveFloat = 0.02
    weight_decay: NonNegativeFloat = 5e-4
    warmup_epochs: NonNegativeFloat = 1.0
    val_every: PositiveInt = 5  # epochs between looks at val (logged; the gate reads the first and the last)

    @field_validator("terms")
    @classmethod
    def _ask_something(cls, terms: TermsConfig) -> TermsConfig:
        if not any(terms.model_dump().values()):
            raise ValueError("every weight is 0; give one of them another, or set distill.teacher=null")
        return terms


class BridgeConfig(StrictModel):
    """Grids from which the bridge is chosen on val episodes."""

    # None: features are only made unit
    shrinkages: tuple[PositiveFloat | None, ...] = Field(default=(None, 0.1, 0.3, 1.0, 3.0, 10.0), min_length=1)
    # relative to the class vectors' spread
    lambdas: tuple[PositiveFloat, ...] = Field(default=(0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0), min_length=1)
    # share of the class name in the class vector
    name_shares: tuple[Share, ...] = Field(default=(0.0, 0.5), min_length=1)
    alpha_step: float = Field(default=0.05, gt=0.0, le=1.0)
    episodes: PositiveInt = 1000
    seed: NonNegativeInt = 1


class BridgeLossConfig(StrictModel):
    """Weights of the bridge's losses beside the cross-entropy of the fused weights; 0 leaves one out."""

    visual: NonNegativeFloat = 0.1  # cross-entropy of the visual weights alone
    semantic: NonNegativeFloat = 0.1  # and of the semantic ones
    reconstruction: NonNegativeFloat = 0.1  # predicted against true weight of classes left out of the map
    cycle: NonNegativeFloat = 0.1  # pictures read as text, and read back


class VSBirdConfig(StrictModel):
    """The trained bridge: which of its parts take part, where it starts (grids for val), how it is trained."""

    generator: bool = True  # visual weights recall base classes
    residual: bool = True  # the semantic reconstructor has a network beside its ridge map
    gate: bool = True  # a text that does not fit its class's pictures counts less
    fusion: Literal["evidence", "convex", "additive"] = "evidence"
    alpha: Share | None = None  # None: chosen on val for every number of shots
    powers: tuple[PositiveFloat, ...] = Field(default=(1.0, 0.75, 0.5), min_length=1)
    shrinkages: tuple[PositiveFloat, ...] = Field(default=(0.1, 0.3, 1.0, 3.0), min_length=1)
    noises: tuple[PositiveFloat, ...] = Field(default=(1.0, 2.0, 4.0), min_length=1)
    prior_shrinkages: tuple[PositiveFloat, ...] = Field(default=(0.1, 0.3, 1.0, 3.0), min_length=1)
    lambdas: tuple[PositiveFloat, ...] = Field(default=(0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0), min_length=1)
    name_shares: tuple[Share, ...] = Field(default=(0.0, 0.5), min_length=1)
    controls: bool = True  # heads for the table's controls too (no text, names, unchecked, random words)
    seeds: PositiveInt = 5  # heads, whose accuracies are averaged
    seed: NonNegativeInt = 0  # of the first head
    steps: NonNegativeInt = 200  # 0: the closed form
    looks: PositiveInt = 5  # at val while a head is trained
    ways: int = Field(default=8, ge=2)
    batch: PositiveInt = 8  # tasks in a step
    lr: PositiveFloat = 3e-3
    scatter: NonNegativeFloat = 1.0  # how far pictures are moved by other pictures' differences to their class mean
    wrong_texts: Share = 0.4  # share of the places that are shown another class's text
    keep: PositiveShare = 0.5  # share of a class's descriptors that a step sees
    loss: BridgeLossConfig = BridgeLossConfig()


MethodName = Literal[
    "euclidean",
    "simpleshot",
    "logistic",
    "ridge",
    "cosine",
    "gidaris",
    "fsktn",
    "am3",
    "semalign",
    "zero_shot_name",
    "zero_shot_descriptors",
    "tip_adapter",
    "tip_adapter_f",
]


class MethodsConfig(StrictModel):
    """Other methods that `train` chooses and trains on base and val, to stand in the table beside ours."""

    names: tuple[MethodName, ...] = get_args(MethodName)  # the last four only where the encoder is CLIP's
    episodes: PositiveInt = 600  # val episodes that settings are chosen on
    views: NonNegativeInt = 5  # augmented views per support for logistic regression; 0: the supports themselves
    steps: PositiveInt = 400  # of training a head (gidaris, am3, semalign)
    batch: PositiveInt = 8  # tasks in a step
    lr: PositiveFloat = 1e-3
    hidden: PositiveInt = 1024  # of SemAlign; published: 4096
    seed: NonNegativeInt = 0


class EpisodesConfig(StrictModel):
    """Shape of the few-shot tasks."""

    ways: int = Field(default=5, ge=2)
    shots: tuple[PositiveInt, ...] = Field(default=(1, 5), min_length=1)
    queries: PositiveInt = 15
    episodes: int = Field(default=2000, ge=2)  # one alone has no interval
    seed: NonNegativeInt = 0


class FrozenEpisodesConfig(EpisodesConfig):
    """The tasks of an evaluation: drawn from the seed, or those of a file."""

    file: str | None = None  # an episodes file, or the folder of an evaluation whose tasks are to be taken


class TrainConfig(StrictModel):
    """Everything `syntrans train` needs besides the descriptor file."""

    seed: NonNegativeInt = 0  # of everything random; a section's own seed goes before it
    device: str = "auto"
    data: DataConfig = DataConfig()
    encoder: EncoderConfig = EncoderConfig()
    distill: DistillConfig = DistillConfig()
    text: TextConfig = TextConfig()
    bridge: BridgeConfig = BridgeConfig()
    vsbird: VSBirdConfig = VSBirdConfig()
    methods: MethodsConfig = MethodsConfig()
    episodes: EpisodesConfig = EpisodesConfig()

    def with_split(self, path: str) -> "TrainConfig":
        """The same with this split file."""
        return self.model_copy(update={"data": self.data.model_copy(update={"split_file": path})})

    @model_validator(mode="before")
    @classmethod
    def _one_seed(cls, values: Any) -> Any:
        """Sections without a seed of their own get one from `seed`: what they declare where it is 0."""
        seed = values.get("seed", 0) if isinstance(values, dict) else None
        if not isinstance(seed, int):
            return values  # pydantic says what is wrong with it
        seeded = dict(values)
        for name, (section, step) in _SEEDED.items():
            own = values.get(name, {})
            if isinstance(own, section):
                own = own.model_dump(exclude_unset=True)
            if isinstance(own, dict):
                seeded[name] = {"seed": section.model_fields["seed"].default + step * seed, **own}
        return seeded


_SEEDED: dict[str, tuple[type[StrictModel], int]] = {
    "bridge": (BridgeConfig, 1),
    "vsbird": (VSBirdConfig, 1000),  # of two seeds no head is the same, however many there are
    "methods": (MethodsConfig, 1),
    "episodes": (EpisodesConfig, 1),
}


class EvaluateConfig(StrictModel):
    """Everything `syntrans evaluate` needs besides the checkpoint."""

    device: str = "auto"
    split: Literal["novel"] = "novel"
    episodes: FrozenEpisodesConfig = FrozenEpisodesConfig()
    leak: Literal["bar", "refuse", "drop"] = "bar"  # where queries meet pictures that mining saw; see README
    interval: Literal["normal", "t"] = "normal"
    shuffles: PositiveInt = 5  # draws over which the shuffled and random controls are averaged
    chunk: PositiveInt = 500  # episodes held in memory at once
