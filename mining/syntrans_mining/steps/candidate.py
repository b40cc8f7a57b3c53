"""A candidate on its way through the steps; at the end it is a row of the ledger.

The records mirror those of `syntrans.contract.rows`, without its checks: a run of ten thousand classes holds a
million of them. Their probabilities are as wide as the file's, so that a threshold decides the same now and on the
file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from syntrans.contract.rows import DescriptorRow, descriptor_id
from syntrans.contract.scalars import float32

BLOCK = 256  # classes


@dataclass(slots=True)
class Author:
    """Who said it: see `syntrans.contract.rows.Author`."""

    model: str
    revision: str
    prompt: str
    sample: int
    seed: int
    raw: str


@dataclass(slots=True)
class Vote:
    """What a judge says: see `syntrans.contract.rows.Vote`."""

    model: str
    revision: str
    p_yes: float
    p_calibrated: float | None = None

    def __post_init__(self) -> None:
        self.p_yes = float32(self.p_yes)
        self.p_calibrated = None if self.p_calibrated is None else float32(self.p_calibrated)


@dataclass(slots=True)
class Grounding:
    """What the vision-language model saw: see `syntrans.contract.rows.Grounding`."""

    model: str
    revision: str
    p_yes: float
    p_yes_contrast: float | None = None
    contrast_class: str | None = None
    images: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.p_yes = float32(self.p_yes)
        self.p_yes_contrast = None if self.p_yes_contrast is None else float32(self.p_yes_contrast)


@dataclass(slots=True)
class Clip:
    """CLIP's view: see `syntrans.contract.rows.Clip`."""

    model: str
    similarity: float
    margin: float | None = None
    neighbour: str | None = None
    tokens: int = 0
    truncated: bool = False

    def __post_init__(self) -> None:
        self.similarity = float32(self.similarity)
        self.margin = None if self.margin is None else float32(self.margin)


@dataclass(slots=True, eq=False)
class Candidate:
    """One statement about one class. ``stage`` (the step) and ``reason`` are set when it is dropped.

    ``contrast_with``: the class id from which it was asked to tell the class apart. ``duplicate_of``: the
    descriptor id of the candidate that says the same and took over its authors.
    """

    class_id: str
    class_name: str
    text: str
    facet: str
    authors: list[Author]
    contrast_with: str | None = None
    votes: list[Vote] = field(default_factory=list)
    agreement: float | None = None
    grounding: Grounding | None = None
    clip: Clip | None = None
    stage: str | None = None
    reason: str | None = None
    duplicate_of: str | None = None
    rank: int | None = None
    weight: float | None = None

    @property
    def kept(self) -> bool:
        """Whether it is still in."""
        return self.reason is None

    @property
    def id(self) -> str:
        """The contract's descriptor id."""
        return descriptor_id(self.class_id, self.text)

    @property
    def author_models(self) -> set[str]:
        """The models that said it."""
        return {author.model for author in self.authors}

    def drop(self, step: str, reason: str) -> None:
        """Take it out; it stays in the ledger."""
        self.stage, self.reason = step, reason

    def row(self) -> DescriptorRow:
        """The ledger's row."""
        values = {name: getattr(self, name) for name in self.__slots__}
        computed = {"descriptor_id": self.id, "kept": self.kept}
        return DescriptorRow.model_validate(values | computed, from_attributes=True)  # asdict copies every text


def from_row(row: DescriptorRow) -> Candidate:
    """The candidate that a row of a ledger was, as it ended."""
    values = row.model_dump(exclude={"descriptor_id", "kept"})
    values["authors"] = [Author(**author) for author in values["authors"]]
    values["votes"] = [Vote(**vote) for vote in values["votes"]]
    values["grounding"] = Grounding(**values["grounding"]) if row.grounding else None
    values["clip"] = Clip(**values["clip"]) if row.clip else None
    return Candidate(**values)


def kept(candidates: Iterable[Candidate]) -> list[Candidate]:
    """The candidates that no step has dropped."""
    return [candidate for candidate in candidates if candidate.kept]


def by_class(candidates: Iterable[Candidate]) -> dict[str, list[Candidate]]:
    """Candidates by class id, both in their order."""
    grouped: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        grouped.setdefault(candidate.class_id, []).append(candidate)
    return grouped


def class_blocks(candidates: Iterable[Candidate]) -> Iterator[list[Candidate]]:
    """The candidates of BLOCK classes at a time: what is embedded together."""
    groups = iter(by_class(candidates).values())
    while block := [candidate for group in islice(groups, BLOCK) for candidate in group]:
        yield block
