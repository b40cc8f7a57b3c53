"""The rows of the contract between mining and training, as programs hold them, and what a file says about itself.

``descriptors.parquet`` has one row per candidate descriptor, kept or not; ``semantics.parquet`` one row per class.
`schemas` says how files hold them; a test keeps the two in step.
"""

from __future__ import annotations

import hashlib
import unicodedata
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from syntrans.classes.entries import ARTICLE
from syntrans.config import Strict
from syntrans.contract.scalars import (
    Cosine,
    Count,
    Float32,
    Hex16,
    Int64,
    Margin,
    PlainText,
    Probability,
    Rank,
    Weight,
    one_of,
)

SCHEMA_VERSION = 2
FACETS = ("shape", "colour", "texture", "part", "material", "size", "pose", "context", "other")
STAGES = ("lint", "propose", "merge", "crosscheck", "ground", "filter", "compose", "edit")
REASONS = (
    "malformed",  # empty, too long, or not one statement
    "names_class",  # says the class name instead of describing it
    "not_visual",  # cannot be seen in a picture; no step of ours decides that, files of others may
    "duplicate_of",  # says the same as another row of the class, whose authors it joined
    "no_agreement",  # the other models do not believe it
    "not_seen",  # the vision-language model does not see it in the pictures
    "not_distinctive",  # as true of the nearest other class
    "unlikely",  # all the evidence together speaks against it
    "over_budget",  # good, but the class has enough better ones
    "no_answer",  # nothing usable came in any try (of a judge or a vision model: nothing at all), or was imported
    "refused",  # the model declined to answer
    "cut_off",  # every try ran into the token limit
    "too_long",  # the question does not fit into the model's context
    "engine_failed",  # the engine died or failed over this request
    "not_scored",  # thresholds were applied again: it would pass, but the next stage never looked at it
    "vetoed",  # a person took it out (`syntrans edit`)
)


Facet = Annotated[str, AfterValidator(one_of(FACETS))]
Stage = Annotated[str, AfterValidator(one_of(STAGES))]
Reason = Annotated[str, AfterValidator(one_of(REASONS))]


class Author(Strict):
    """Who proposed a descriptor: model and revision, prompt id, sample number, seed, and its own words."""

    model: str
    revision: str
    prompt: str
    sample: Count
    seed: Int64
    raw: PlainText


class Vote(Strict):
    """One judge's probability that the descriptor is true of the class; never the author's own.

    ``p_calibrated`` is what that judge's "yes" has turned out to be worth; None where nothing was calibrated.
    """

    model: str
    revision: str
    p_yes: Probability
    p_calibrated: Probability | None = None


class Grounding(Strict):
    """What the vision-language model saw: mean P(yes) on pictures of the class, and of the contrast class."""

    model: str
    revision: str
    p_yes: Probability
    p_yes_contrast: Probability | None = None
    contrast_class: str | None = None
    images: list[str] = []
    """sha256 of the encoded pictures."""


class Clip(Strict):
    """CLIP's view: cosine similarity to pictures of the class, and its lead over the nearest other class."""

    model: str
    similarity: Cosine
    margin: Margin | None = None
    neighbour: str | None = None
    tokens: Count
    truncated: bool


class DescriptorRow(Strict):
    """One candidate descriptor of one class. What a stage that did not run would say is None.

    ``contrast_with`` is the class id from which the statement tells the class apart, if it was asked for so;
    ``duplicate_of`` the descriptor id of the row that says the same and has its authors. A request that no try
    could answer is a dropped row too: ``text`` says what was asked, ``authors[0].raw`` what came instead.
    """

    class_id: str = Field(min_length=1)
    class_name: str = Field(min_length=1)
    descriptor_id: Hex16
    text: PlainText
    facet: Facet
    contrast_with: str | None = None
    authors: list[Author]
    votes: list[Vote] = []
    agreement: Probability | None = None
    grounding: Grounding | None = None
    clip: Clip | None = None
    kept: bool
    stage: Stage | None = None
    reason: Reason | None = None
    duplicate_of: Hex16 | None = None
    rank: Rank | None = None
    weight: Weight | None = None

    @model_validator(mode="after")
    def _kept_or_dropped(self) -> DescriptorRow:
        dropped = self.stage is not None and self.reason is not None
        if self.kept and (self.stage is not None or self.reason is not None):
            raise ValueError("a kept row has neither stage nor reason")
        if not self.kept and not dropped:
            raise ValueError("a dropped row says stage and reason")
        return self


class SemanticsRow(Strict):
    """The knowledge about one class: a summary text and its embedding (any dimension, one per file)."""

    class_id: str = Field(min_length=1)
    class_name: str = Field(min_length=1)
    summary: PlainText
    n_kept: Count
    encoder: str
    encoder_revision: str
    embedding: list[Float32] = Field(min_length=1)


class Pictures(Strict):
    """The pictures of the classes of a file: where they lie, how many there are, and what tells them from others."""

    path: str
    """Absolute, or ``world``."""
    images: int
    sha256: str
    """Of the sorted sha256 of all of them."""


class FileMetadata(Strict):
    """The key-value metadata of both files."""

    schema_version: int = SCHEMA_VERSION
    run_id: str
    config: dict[str, Any] = {}
    class_list_sha256: str
    prompt_sha256: dict[str, str] = {}
    model_revisions: dict[str, str] = {}
    package_versions: dict[str, str] = {}
    images_seen: list[str] = []
    """sha256 of every picture that any stage looked at; none may serve as a query of an evaluation."""
    pictures: Pictures | None = None
    """What was mined with; None without pictures, where published text was imported, and in files of before."""
    git_commit: str | None = None
    notes: dict[str, Any] = {}
    """What else a reader must know, e.g. ``{"skipped": {"ground": "no images"}}``."""


def normalise_text(text: str) -> str:
    """The form in which two descriptors are the same: casefolded, no leading article, no final stop."""
    plain = " ".join(unicodedata.normalize("NFKC", text).casefold().split()).rstrip(".!?;:, ")
    return ARTICLE.sub("", plain)


def descriptor_id(class_id: str, text: str) -> str:
    """16 hex digits of sha256 over the class id and the normalised text."""
    return hashlib.sha256(f"{class_id}\n{normalise_text(text)}".encode()).hexdigest()[:16]
