"""Precision and recall of a mining run after each step, against the truth of the world."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Protocol, runtime_checkable

from syntrans_world.spec import CLASSES, SPLIT_SIZES
from syntrans_world.truth import score

# The order in which a row can be dropped. A row that survived a step is alive in its line of the table.
STEP_ORDER = ("merge", "crosscheck", "ground", "filter")


@runtime_checkable
class Row(Protocol):
    """What scoring needs of a descriptor row."""

    @property
    def class_id(self) -> str:
        """The stable id of the class."""
        ...

    @property
    def text(self) -> str:
        """The text of the descriptor."""
        ...

    @property
    def kept(self) -> bool:
        """Whether the descriptor was kept."""
        ...

    @property
    def stage(self) -> str | None:
        """Where it was dropped; None if kept."""
        ...


@dataclass(frozen=True)
class StepScore:
    """Rows alive after a step, their precision, and the recall of the classes' true attributes."""

    stage: str
    split: str
    rows: int
    precision: float
    recall: float

    def as_dict(self) -> dict[str, str | int | float]:
        """Plain data, for JSON."""
        return asdict(self)


def alive_after(rows: Sequence[Row], step: str) -> list[Row]:
    """Rows that were kept, or dropped only later than `step`."""
    position = STEP_ORDER.index(step)
    return [r for r in rows if r.kept or (r.stage in STEP_ORDER and STEP_ORDER.index(r.stage) > position)]


def step_scores(rows: Sequence[Row], split: str) -> list[StepScore]:
    """One line per step for the classes of one split that occur in `rows`; "propose" is everything written down.

    Requests that no model answered are rows dropped at propose, and nothing written down.
    """
    rows = [r for r in rows if r.stage != "propose"]
    present = {r.class_id for r in rows}
    ids = [c.id for c in CLASSES if c.split == split and c.id in present]
    lines = []
    for step in ("propose", *STEP_ORDER):
        alive = list(rows) if step == "propose" else alive_after(rows, step)
        scored = score(((r.class_id, r.text) for r in alive), ids)
        lines.append(StepScore(step, split, scored.rows, scored.precision, scored.recall))
    return lines


def all_step_scores(rows: Sequence[Row]) -> list[StepScore]:
    """Step scores of every split that occurs in `rows`."""
    present = {r.class_id for r in rows}
    splits = {c.split for c in CLASSES if c.id in present}
    return [line for split in SPLIT_SIZES if split in splits for line in step_scores(rows, split)]
