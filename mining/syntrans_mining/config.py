"""The configuration of a mining run, every key of it; the files are in ``mining/configs``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field, PositiveInt, model_validator

from syntrans.config import Gone, Renamed, StrictModel
from syntrans_mining.images_config import ImagesConfig
from syntrans_mining.models_config import ClipConfig, EncoderConfig, EngineConfig, ModelConfig, check_template

Unit = Field(ge=0.0, le=1.0)


class LintConfig(StrictModel):
    """What happens to class names that mean several things and have neither definition nor wnid.

    Every LLM is asked for the senses of known homonyms, with ``ask_senses`` of all such names. ``senses`` chooses by
    class (id or name): a number of the list that is then shown, or a definition. ``ambiguous``: ``ask`` ends
    the run while a choice is missing. ``first`` takes the first sense of the built-in list; where it has none, that of
    one LLM (``compose.llm``, or the first) if it knows several.
    """

    prompt: str = "senses.v1"
    ambiguous: Literal["ask", "first"] = "ask"
    ask_senses: bool = False
    senses: dict[str, int | str] = {}


class ContrastConfig(StrictModel):
    """Each LLM is asked what tells a class from its ``neighbours`` most similar ones; no ``prompt``: nothing is asked.

    Similar are classes whose pictures CLIP holds for similar, without pictures those whose names it does. ``samples``
    answers about each pair; the other ways of drawing are propose's.
    """

    old_keys: ClassVar[Mapping[str, Renamed | Gone]] = {"n": Renamed("statements")}

    prompt: str | None = None
    neighbours: PositiveInt = 1
    samples: PositiveInt = 1
    statements: PositiveInt = 6


class ProposeConfig(StrictModel):
    """``samples`` answers of each LLM for each class and prompt; an answer that is cut off is drawn again."""

    old_keys: ClassVar[Mapping[str, Renamed | Gone]] = {"n": Renamed("statements")}

    prompts: tuple[str, ...] = Field(default=("propose.v1",), min_length=1)
    samples: PositiveInt = 2
    statements: PositiveInt = 10
    temperature: float = Field(default=0.8, ge=0.0, le=2.0)
    top_p: float = Field(default=0.95, gt=0.0, le=1.0)
    max_tokens: PositiveInt = 600
    tries: PositiveInt = 3


class MergeConfig(StrictModel):
    """Two statements about a class are one when CLIP's text vectors are at least so close (1, no CLIP: when equal)."""

    similarity: float = Field(default=0.95, ge=-1.0, le=1.0)
    max_words: PositiveInt = 16


class CrosscheckConfig(StrictModel):
    """``threshold``: the least mean of authorship (1 for each author) and the other models' P(yes).

    ``calibration`` says what a P(yes) is worth: a file (fitted where the truth is known), ``agreement`` (fitted in
    the run, on what the other judges hold), or null (as it is).
    """

    prompt: str = "crosscheck.v1"
    threshold: float = Unit
    calibration: str | None = None


class GroundConfig(StrictModel):
    """``images`` pictures of the class and as many of its nearest class; ``threshold``: the least mean P(yes).

    ``gap``: by how much P(yes) must at least exceed P(yes) on the contrast class; null for no such demand. Larger
    pictures are reduced to ``max_pixels`` in all before the model sees them.
    """

    prompt: str = "ground.v1"
    images: PositiveInt = 4
    max_pixels: PositiveInt | None = None
    contrast: bool = True
    threshold: float = Unit
    gap: float | None = Field(default=None, ge=-1.0, le=1.0)


class FuseConfig(StrictModel):
    """Weights of a logistic model of all evidence: P(true) = sigmoid(bias + sum of weight * value).

    ``gap``: P(yes) less P(yes) on the contrast class; ``everywhere``: the two multiplied, to the power of the pictures
    of a class, which is near 1 for what fits any picture; ``margin``: CLIP's.
    """

    bias: float
    agreement: float = 0.0
    p_yes: float = 0.0
    gap: float = 0.0
    everywhere: float = 0.0
    margin: float = 0.0


class FilterConfig(StrictModel):
    """``margin``: by how much a statement must fit the class's pictures better than its neighbours'.

    The margin is the cosine similarity to the ``images`` pictures of the class minus the mean similarity to those
    of the ``neighbours`` nearest classes (null: of all other classes). With ``fuse`` every statement must have the
    probability ``threshold`` by all the evidence, and is ranked by it. ``budget``: at most so many statements per
    class; ``diversity``: how much being unlike those already chosen counts against the score (0: not at all).
    """

    images: PositiveInt = 16
    neighbours: PositiveInt | None = 1
    margin: float = 0.0
    fuse: FuseConfig | None = None
    threshold: float = Field(default=0.5, ge=0.0, le=1.0)
    budget: PositiveInt = 12
    diversity: float = Field(default=0.0, ge=0.0, lt=1.0)


class ComposeConfig(StrictModel):
    """A summary and a vector for every class, from what is kept.

    ``llm`` names the model (the strongest) that writes the summary by ``prompt``; ``readers`` others (the first of
    ``llms``; null: all; vlm: the VLM) strike each sentence to whose ``support`` by the kept statements, or to whose
    truth, they give less than ``threshold`` on average. Where models take turns in memory an LLM that reads may be
    loaded a third time; the VLM, which only looks at pictures before, is not. Without ``llm``, and where no sentence
    stays, ``summary`` is filled in: it knows ``{name}`` and ``{descriptors}``, between which stands ``separator``.
    ``encoders`` embed the classes besides CLIP.
    """

    llm: str | None = None
    prompt: str = "compose.v1"
    support: str = "support.v1"
    threshold: float = Field(default=0.5, ge=0.0, le=1.0)
    readers: PositiveInt | Literal["vlm"] | None = 1
    max_tokens: PositiveInt = 300
    summary: str = "{name}: {descriptors}."
    separator: str = "; "
    encoders: tuple[EncoderConfig, ...] = ()

    @model_validator(mode="after")
    def _summary_renders(self) -> ComposeConfig:
        check_template(self.summary, "name", "descriptors")
        return self


class PlanConfig(StrictModel):
    """``probe_seconds``: for a dry run, how long to try the models first; 0 for not at all."""

    probe_seconds: float = Field(default=0.0, ge=0.0)


class MiningConfig(StrictModel):
    """Everything that decides what a run finds, and what it runs on.

    ``clip: null`` does without CLIP, and so without torch where the models are on a server: only equal statements are
    merged, no class is contrasted with its neighbours, the filter knows the budget alone, and no ``semantics.parquet``
    is written. The column ``clip`` of every row is then null.
    """

    llms: tuple[ModelConfig, ...] = Field(min_length=1)
    vlm: ModelConfig | None = None
    clip: ClipConfig | None
    images: ImagesConfig = ImagesConfig()
    engine: EngineConfig = EngineConfig()
    lint: LintConfig = LintConfig()
    propose: ProposeConfig = ProposeConfig()
    contrast: ContrastConfig = ContrastConfig()
    merge: MergeConfig = MergeConfig()
    crosscheck: CrosscheckConfig = CrosscheckConfig(threshold=0.5)
    ground: GroundConfig = GroundConfig(threshold=0.5)
    filter: FilterConfig = FilterConfig()
    compose: ComposeConfig = ComposeConfig()
    plan: PlanConfig = PlanConfig()
    seed: int = 0

    @model_validator(mode="after")
    def _names_differ(self) -> MiningConfig:
        names = [model.name for model in self.llms] + ([self.vlm.name] if self.vlm else [])
        names += [encoder.name for encoder in self.compose.encoders]
        twice = sorted({name for name in names if names.count(name) > 1} | ({"clip"} & set(names)))
        if twice:
            raise ValueError(f"model names must differ, and 'clip' is taken: {', '.join(twice)}")
        encoders = [encoder.path for encoder in self.encoders]
        if len(set(encoders)) < len(encoders):
            raise ValueError("compose.encoders names an encoder twice, or CLIP again; give each once")
        return self

    @model_validator(mode="after")
    def _writer_has_readers(self) -> MiningConfig:
        writer, names = self.compose.llm, [model.name for model in self.llms]
        if writer is not None and writer not in names:
            raise ValueError(f"compose.llm is {writer!r}; it must be one of {', '.join(names)}")
        if writer is not None and self.compose.readers == "vlm" and self.vlm is None:
            raise ValueError("compose.readers is vlm, and there is none")
        if writer is not None and self.compose.readers != "vlm" and len(names) < 2:
            raise ValueError("compose.llm needs a second LLM that checks what it writes, or compose.readers=vlm")
        if writer is not None and not self.encoders:
            raise ValueError("compose.llm writes into the encoders' files, and there is none; set compose.llm to null")
        return self

    @property
    def encoders(self) -> tuple[ClipConfig | EncoderConfig, ...]:
        """CLIP, if it is used, and the further text encoders."""
        return (*([self.clip] if self.clip else []), *self.compose.encoders)
