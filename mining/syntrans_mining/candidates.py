"""A candidate on its way through the stages; at the end it is a row of the ledger."""

from __future__ import annotations

from dataclasses import dataclass, field

from syntrans.contract import Author, Clip, DescriptorRow, Grounding, Vote, descriptor_id


@dataclass
class Candidate:
    """One statement about one class. ``stage`` and ``reason`` are set when it is dropped.

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

    def drop(self, stage: str, reason: str) -> None:
        """Take it out; it stays in the ledger."""
        self.stage, self.reason = stage, reason

    def row(self) -> DescriptorRow:
        """The ledger's row."""
        return DescriptorRow(
            class_id=self.class_id,
            class_name=self.class_name,
            descriptor_id=self.id,
            text=self.text,
            facet=self.facet,
            contrast_with=self.contrast_with,
            authors=self.authors,
            votes=self.votes,
            agreement=self.agreement,
            grounding=self.grounding,
            clip=self.clip,
            kept=self.kept,
            stage=self.stage,
            reason=self.reason,
            duplicate_of=self.duplicate_of,
            rank=self.rank,
            weight=self.weight,
        )


def kept(candidates: list[Candidate]) -> list[Candidate]:
    """Those still in."""
    return [candidate for candidate in candidates if candidate.kept]


def by_class(candidates: list[Candidate]) -> dict[str, list[Candidate]]:
    """Candidates by class id, both in their order."""
    grouped: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        grouped.setdefault(candidate.class_id, []).append(candidate)
    return grouped
