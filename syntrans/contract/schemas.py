"""The contract between mining and training: two Parquet files, declared once.

``descriptors.parquet`` has one row per candidate descriptor, kept or not; ``semantics.parquet`` one row per
class. The pydantic models are what programs hold, the pyarrow schemas what the files hold; a test keeps them
in step. Floats are 32 bits wide in both, so that what is read equals what was written.
"""

from __future__ import annotations

import hashlib
import itertools
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, TypeVar

import pyarrow as pa
from pydantic import AfterValidator, Field, model_validator

from syntrans.classes.identity import one_identity
from syntrans.config import StrictModel
from syntrans.contract.migrations import MIGRATIONS
from syntrans.contract.parquet import from_pairs, in_class_order, read_rows, read_table, to_pairs, write_rows
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
from syntrans.errors import InputError

SCHEMA_VERSION = 2
FACETS = ("shape", "colour", "texture", "part", "material", "size", "pose", "context", "other")
STAGES = ("lint", "propose", "merge", "crosscheck", "ground", "filter", "compose")
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
)

_ARTICLE = re.compile(r"^(a|an|the)\s+")


Facet = Annotated[str, AfterValidator(one_of(FACETS))]
Stage = Annotated[str, AfterValidator(one_of(STAGES))]
Reason = Annotated[str, AfterValidator(one_of(REASONS))]


class Author(StrictModel):
    """Who proposed a descriptor: model and revision, prompt id, sample number, seed, and its own words."""

    model: str
    revision: str
    prompt: str
    sample: Count
    seed: Int64
    raw: PlainText


class Vote(StrictModel):
    """One judge's probability that the descriptor is true of the class; never the author's own.

    ``p_calibrated`` is what that judge's "yes" has turned out to be worth; None where nothing was calibrated.
    """

    model: str
    revision: str
    p_yes: Probability
    p_calibrated: Probability | None = None


class Grounding(StrictModel):
    """What the vision-language model saw: mean P(yes) on pictures of the class, and of the contrast class."""

    model: str
    revision: str
    p_yes: Probability
    p_yes_contrast: Probability | None = None
    contrast_class: str | None = None
    images: list[str] = []
    """sha256 of the encoded pictures."""


class Clip(StrictModel):
    """CLIP's view: cosine similarity to pictures of the class, and its lead over the nearest other class."""

    model: str
    similarity: Cosine
    margin: Margin | None = None
    neighbour: str | None = None
    tokens: Count
    truncated: bool


class DescriptorRow(StrictModel):
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


class SemanticsRow(StrictModel):
    """The knowledge about one class: a summary text and its embedding (any dimension, one per file)."""

    class_id: str = Field(min_length=1)
    class_name: str = Field(min_length=1)
    summary: PlainText
    n_kept: Count
    encoder: str
    encoder_revision: str
    embedding: list[Float32] = Field(min_length=1)


class Pictures(StrictModel):
    """The pictures of the classes of a file: where they lie, how many there are, and what tells them from others."""

    path: str
    """Absolute, or ``world``."""
    images: int
    sha256: str
    """Of the sorted sha256 of all of them."""


class FileMetadata(StrictModel):
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


def _list(item: pa.DataType) -> pa.DataType:
    return pa.list_(pa.field("element", item))  # the name that Parquet prescribes, so that reading changes nothing


_TEXT, _F32, _ENUM = pa.string(), pa.float32(), pa.dictionary(pa.int32(), pa.string())
_AUTHOR = {"model": _TEXT, "revision": _TEXT, "prompt": _TEXT, "sample": pa.int32(), "seed": pa.int64(), "raw": _TEXT}
_SEEN = {"model": _TEXT, "revision": _TEXT, "p_yes": _F32}
_VOTE = {**_SEEN, "p_calibrated": _F32}
_GROUNDING = {**_SEEN, "p_yes_contrast": _F32, "contrast_class": _TEXT, "images": _list(_TEXT)}
_CLIP = {
    "model": _TEXT,
    "similarity": _F32,
    "margin": _F32,
    "neighbour": _TEXT,
    "tokens": pa.int32(),
    "truncated": pa.bool_(),
}

DESCRIPTOR_SCHEMA = pa.schema(
    {
        "class_id": _TEXT,
        "class_name": _TEXT,
        "descriptor_id": _TEXT,
        "text": _TEXT,
        "facet": _ENUM,
        "contrast_with": _TEXT,
        "authors": _list(pa.struct(_AUTHOR)),
        "votes": _list(pa.struct(_VOTE)),
        "agreement": _F32,
        "grounding": pa.struct(_GROUNDING),
        "clip": pa.struct(_CLIP),
        "kept": pa.bool_(),
        "stage": _ENUM,
        "reason": _ENUM,
        "duplicate_of": _TEXT,
        "rank": pa.int32(),
        "weight": _F32,
    }
)


def SEMANTICS_SCHEMA(dim: int) -> pa.Schema:  # noqa: N802 - a schema with one parameter, named like its sibling
    """The schema of ``semantics.parquet`` for embeddings of ``dim`` numbers."""
    return pa.schema(
        {
            "class_id": _TEXT,
            "class_name": _TEXT,
            "summary": _TEXT,
            "n_kept": pa.int32(),
            "encoder": _TEXT,
            "encoder_revision": _TEXT,
            "embedding": pa.list_(pa.field("element", _F32), dim),
        }
    )


def normalise_text(text: str) -> str:
    """The form in which two descriptors are the same: casefolded, no leading article, no final stop."""
    plain = " ".join(unicodedata.normalize("NFKC", text).casefold().split()).rstrip(".!?;:, ")
    return _ARTICLE.sub("", plain)


def descriptor_id(class_id: str, text: str) -> str:
    """16 hex digits of sha256 over the class id and the normalised text."""
    return hashlib.sha256(f"{class_id}\n{normalise_text(text)}".encode()).hexdigest()[:16]


Row = TypeVar("Row", DescriptorRow, SemanticsRow)


def write_descriptors(path: str | Path, rows: Iterable[DescriptorRow], meta: FileMetadata) -> Path:
    """Write ``rows``, sorted by class id (otherwise in the given order), completely or not at all.

    A list is sorted here; an iterator must come sorted, and is written as it comes, however long it is.
    InputError where one class id has two names, or one name two ids without definitions.
    """
    checked = one_identity(Path(path), in_class_order(rows), meta.notes)
    write_rows(Path(path), checked, DESCRIPTOR_SCHEMA, to_pairs(meta))
    return Path(path)


def write_semantics(path: str | Path, rows: Iterable[SemanticsRow], meta: FileMetadata) -> Path:
    """Write one row per class, in an order as of `write_descriptors`.

    InputError when there is none, or when embeddings differ in length.
    """
    ordered = one_identity(Path(path), in_class_order(rows), meta.notes)
    first = next(ordered, None)
    dim = len(first.embedding) if first else 0

    def checked() -> Iterator[SemanticsRow]:
        for row in itertools.chain([first] if first else [], ordered):
            if len(row.embedding) != dim:
                raise InputError(f"{path}: embeddings of lengths {dim} and {len(row.embedding)}; one length for all")
            yield row

    if first is None:
        raise InputError(f"{path}: there is no class; one at least")
    write_rows(Path(path), checked(), SEMANTICS_SCHEMA(dim), to_pairs(meta))
    return Path(path)


def read_descriptor_table(path: str | Path) -> pa.Table:
    """The checked table, without making objects of its rows."""
    return read_table(Path(path), _descriptor_schema, SCHEMA_VERSION, MIGRATIONS)[0]


def read_metadata(path: str | Path) -> FileMetadata:
    """The metadata of a ``descriptors.parquet`` whose columns keep the contract; its rows are not looked at."""
    pairs = read_table(Path(path), _descriptor_schema, SCHEMA_VERSION, MIGRATIONS)[1]
    return from_pairs(Path(path), pairs, FileMetadata)


def read_descriptors(path: str | Path) -> tuple[list[DescriptorRow], FileMetadata]:
    """Rows and metadata of a ``descriptors.parquet``; InputError if the file does not keep the contract."""
    rows, meta = _read(Path(path), _descriptor_schema, DescriptorRow)
    for number, row in enumerate(rows):
        if not _has_own_id(row):
            rule = "it is not the id of class and text"
            raise InputError(f"{path}, row {number}: descriptor_id {row.descriptor_id}: {rule}; write the file again")
    return rows, meta


def read_semantics(path: str | Path) -> tuple[list[SemanticsRow], FileMetadata]:
    """Rows and metadata of a ``semantics.parquet``; InputError if the file does not keep the contract."""
    return _read(Path(path), _semantics_schema, SemanticsRow)


def check_file(path: str | Path) -> None:
    """InputError unless ``path`` is one of the two files and every row keeps the contract."""
    if Path(path).name.startswith("semantics"):
        read_semantics(path)
    else:
        read_descriptors(path)


def _descriptor_schema(_found: pa.Schema) -> pa.Schema:
    return DESCRIPTOR_SCHEMA


def _semantics_schema(found: pa.Schema) -> pa.Schema:
    embedding = found.field("embedding").type if "embedding" in found.names else None
    return SEMANTICS_SCHEMA(getattr(embedding, "list_size", 1))


def _read(path: Path, schema_of: Callable[[pa.Schema], pa.Schema], model: type[Row]) -> tuple[list[Row], FileMetadata]:
    table, pairs = read_table(path, schema_of, SCHEMA_VERSION, MIGRATIONS)
    return read_rows(path, table, model), from_pairs(path, pairs, FileMetadata)


def _has_own_id(row: DescriptorRow) -> bool:
    # Early files gave a dropped row the id of its text before unseen characters were taken out of it.
    return row.descriptor_id == descriptor_id(row.class_id, row.text) or not (row.kept or row.text.isascii())
