"""The configuration of a mining run, every key of it; the files are in ``mining/configs``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field, PositiveInt, model_validator

from syntrans.config import Gone, Renamed, StrictModel
from syntrans_mining.images_config import ImagesConfig
from syntrans_mining.models_config import ClipConfig, EncoderConfig, EngineConfig, ModelConfig, check_template


class LintConfig(StrictModel):
    """What happens to class names that mean several things and have neither definition nor wnid."""

    prompt: str = Field("senses.v1", description="Prompt that asks an LLM for the senses of a name.")
    ambiguous: Literal["ask", "first"] = Field(
        "ask",
        description=(
            "ask: the run ends while a sense is not chosen; first: the first sense of the built-in list, else that of "
            "one LLM (compose.llm, or the first) if it knows several."
        ),
    )
    ask_senses: bool = Field(
        False, description="Ask every LLM for the senses of all such names, not of known homonyms alone."
    )
    senses: dict[str, int | str] = Field(
        {},
        description="The sense of a class (id or name): a number of the list that is shown, or a definition.",
    )


class ContrastConfig(StrictModel):
    """What tells a class from the classes that CLIP takes for most similar, by their pictures or else by their names.

    What is not said here (temperature, lengths, tries) is as in ``propose``.
    """

    old_keys: ClassVar[Mapping[str, Renamed | Gone]] = {"n": Renamed("statements")}

    prompt: str | None = Field(None, description="Prompt that asks each LLM; null: nothing is asked.")
    neighbours: PositiveInt = Field(1, description="Most similar classes that each class is compared with.")
    samples: PositiveInt = Field(1, description="Answers of each LLM about each pair of classes.")
    statements: PositiveInt = Field(6, description="Statements that one answer is asked for.")


class ProposeConfig(StrictModel):
    """Every LLM writes statements about every class."""

    old_keys: ClassVar[Mapping[str, Renamed | Gone]] = {"n": Renamed("statements")}

    prompts: tuple[str, ...] = Field(
        ("propose.v1",), min_length=1, description="Prompts; each is put to each LLM for each class."
    )
    samples: PositiveInt = Field(2, description="Answers of each LLM for each class and prompt.")
    statements: PositiveInt = Field(10, description="Statements that one answer is asked for.")
    temperature: float = Field(0.8, ge=0.0, le=2.0, description="Sampling temperature; 0: always the likeliest token.")
    top_p: float = Field(0.95, gt=0.0, le=1.0, description="Share of the probability that tokens are drawn from.")
    max_tokens: PositiveInt = Field(600, description="Longest answer, in tokens.")
    tries: PositiveInt = Field(
        3, description="How often an answer is drawn that is cut off or not what was asked for, with another seed."
    )


class MergeConfig(StrictModel):
    """Which statements about a class are one."""

    similarity: float = Field(
        0.95,
        ge=-1.0,
        le=1.0,
        description="Least cosine of CLIP's text vectors at which two are one; 1, or no CLIP: only equal ones.",
    )
    max_words: PositiveInt = Field(16, description="Longest statement, in words; a longer one is dropped.")


class CrosscheckConfig(StrictModel):
    """The other LLMs are asked whether a statement is true."""

    prompt: str = Field("crosscheck.v1", description="Yes-or-no prompt for a judge.")
    threshold: float = Field(
        ge=0.0, le=1.0, description="Least agreement: the mean of authorship (1 each) and the judges' P(yes)."
    )
    calibration: str | None = Field(
        None,
        description=(
            "What a P(yes) is worth: a file (fitted where the truth is known), agreement (fitted in the run, on what "
            "the other judges hold), or null (as it is)."
        ),
    )


class GroundConfig(StrictModel):
    """The vision-language model is asked whether it sees a statement in pictures."""

    prompt: str = Field("ground.v1", description="Yes-or-no prompt beside a picture.")
    images: PositiveInt = Field(
        4, description="Pictures of the class that it is shown, and as many of a contrast class."
    )
    max_pixels: PositiveInt | None = Field(
        None, description="Pixels (width times height) that a larger picture is reduced to; null: as it is."
    )
    contrast: bool = Field(True, description="Also show pictures of the most similar class.")
    threshold: float = Field(ge=0.0, le=1.0, description="Least mean P(yes) on pictures of the class.")
    gap: float | None = Field(
        None,
        ge=-1.0,
        le=1.0,
        description="Least excess of P(yes) over that on the contrast class; null: not asked for.",
    )


class FuseConfig(StrictModel):
    """A logistic model of all evidence: P(true) = sigmoid(bias + sum of weight * value); docs/method.md (7)."""

    bias: float = Field(description="Log-odds of a statement of which nothing is known.")
    agreement: float = Field(0.0, description="Weight of the agreement of authors and judges.")
    p_yes: float = Field(0.0, description="Weight of the mean P(yes) on pictures of the class.")
    gap: float = Field(0.0, description="Weight of P(yes) less P(yes) on the contrast class.")
    everywhere: float = Field(
        0.0,
        description=(
            "Weight of the two P(yes) multiplied, to the power of the pictures of a class: near 1 for what fits any "
            "picture."
        ),
    )
    margin: float = Field(0.0, description="Weight of CLIP's margin.")


class FilterConfig(StrictModel):
    """CLIP decides which statements tell a class from others, and how many are kept.

    The margin of a statement is its mean cosine to pictures of the class less that to pictures of its neighbours.
    """

    images: PositiveInt = Field(16, description="Pictures of every class that the margin is measured on.")
    neighbours: PositiveInt | None = Field(
        1, description="Most similar classes that the margin is measured against; null: all others."
    )
    margin: float = Field(0.0, description="Least margin, a difference of cosines.")
    fuse: FuseConfig | None = Field(
        None, description="Weights by which all evidence becomes one probability; null: each is looked at alone."
    )
    threshold: float = Field(0.5, ge=0.0, le=1.0, description="With fuse: least probability that a statement is true.")
    budget: PositiveInt = Field(12, description="Most statements that are kept of a class.")
    diversity: float = Field(
        0.0,
        ge=0.0,
        lt=1.0,
        description="How much being like those already chosen counts against the score; 0: not at all.",
    )


class ComposeConfig(StrictModel):
    """A summary and a vector for every class, from what is kept."""

    llm: str | None = Field(
        None, description="Name of the LLM (the strongest) that writes the summary; null: the template is filled in."
    )
    prompt: str = Field("compose.v1", description="Prompt that asks for the summary.")
    support: str = Field("support.v1", description="Prompt that asks a reader whether a sentence is supported.")
    threshold: float = Field(
        0.5,
        ge=0.0,
        le=1.0,
        description="A sentence is struck whose support or truth the readers give less than this, on average.",
    )
    readers: PositiveInt | Literal["vlm"] | None = Field(
        1,
        description=(
            "Who reads the summary: so many other LLMs, vlm, or null for all. Where models take turns in memory, an "
            "LLM that reads is loaded once more; the VLM is not."
        ),
    )
    max_tokens: PositiveInt = Field(300, description="Longest summary, in tokens.")
    summary: str = Field(
        "{name}: {descriptors}.",
        description="Template where no LLM writes, or none of its sentences stays; knows {name} and {descriptors}.",
    )
    separator: str = Field("; ", description="What stands between the descriptors in the template.")
    encoders: tuple[EncoderConfig, ...] = Field((), description="Text encoders that embed the classes besides CLIP.")

    @model_validator(mode="after")
    def _summary_renders(self) -> ComposeConfig:
        check_template(self.summary, "name", "descriptors")
        return self


class PlanConfig(StrictModel):
    """What a dry run does for its plan."""

    probe_seconds: float = Field(
        0.0, ge=0.0, description="How long a dry run tries the models first, in seconds; 0: not at all."
    )


class MiningConfig(StrictModel):
    """Everything that decides what a run finds, and what it runs on."""

    llms: tuple[ModelConfig, ...] = Field(min_length=1, description="Language models, which write and judge.")
    vlm: ModelConfig | None = Field(None, description="Vision-language model, which looks at pictures; null: none.")
    clip: ClipConfig | None = Field(
        description=(
            "CLIP. null does without it, and without torch where the models are on a server: only equal statements "
            "are merged, no neighbours are contrasted, the filter knows the budget alone, and no semantics.parquet is "
            "written."
        )
    )
    images: ImagesConfig = Field(ImagesConfig(), description="How the pictures are read.")
    engine: EngineConfig = Field(EngineConfig(), description="What runs the models, and where.")
    lint: LintConfig = Field(LintConfig(), description="Class names with several meanings.")
    propose: ProposeConfig = Field(ProposeConfig(), description="Every LLM writes statements.")
    contrast: ContrastConfig = Field(ContrastConfig(), description="What tells a class from similar ones.")
    merge: MergeConfig = Field(MergeConfig(), description="Equal statements become one.")
    crosscheck: CrosscheckConfig = Field(CrosscheckConfig(threshold=0.5), description="The other LLMs judge.")
    ground: GroundConfig = Field(GroundConfig(threshold=0.5), description="The vision-language model looks.")
    filter: FilterConfig = Field(FilterConfig(), description="CLIP decides, and the budget.")
    compose: ComposeConfig = Field(ComposeConfig(), description="Summaries and class vectors.")
    plan: PlanConfig = Field(PlanConfig(), description="Dry runs.")
    seed: int = Field(0, description="Seed for all random choices.")

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
