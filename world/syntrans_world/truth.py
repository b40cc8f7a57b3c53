"""What is true in the world: judge a statement about a class, and score rows of a descriptor file."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from syntrans_world.spec import CLASSES, PHRASES, SLOTS, WorldClass


@cache
def _by_id() -> Mapping[str, WorldClass]:
    return {entry.id: entry for entry in CLASSES}


@cache
def _by_phrase() -> Mapping[str, tuple[str, str]]:
    return {
        _normalise(phrase): (slot, value)
        for slot, values in PHRASES.items()
        for value, phrases in values.items()
        for phrase in phrases
    }


def _normalise(text: str) -> str:
    words = text.casefold().strip(" .").split()
    return " ".join(words[1:] if words and words[0] in {"a", "an", "the"} else words)


def slot_of(text: str) -> tuple[str, str] | None:
    """(slot, value) that a statement speaks of; None for generic statements and chatter."""
    return _by_phrase().get(_normalise(text))


def truth_slots(class_id: str) -> dict[str, str]:
    """Slot -> true value of a class. KeyError for a class that is not of the world."""
    return _by_id()[class_id].truth()


def judge(class_id: str, text: str) -> bool:
    """Whether the statement is true of the class. Generic statements and chatter count as wrong."""
    slot_value = slot_of(text)
    return slot_value is not None and truth_slots(class_id)[slot_value[0]] == slot_value[1]


@dataclass(frozen=True)
class Score:
    """Precision over rows, recall over (class, slot) pairs."""

    rows: int
    precision: float
    recall: float


def score(rows: Iterable[tuple[str, str]], class_ids: Iterable[str]) -> Score:
    """Score (class_id, text) rows against the truth of the given classes.

    Precision is the share of rows that are true; recall is the share of the (class, slot) pairs for which at
    least one row states the true value. Rows of other classes are ignored.
    """
    wanted = set(class_ids)
    kept = [(class_id, text) for class_id, text in rows if class_id in wanted]
    correct = [(class_id, text) for class_id, text in kept if judge(class_id, text)]
    covered = {(class_id, slot_value[0]) for class_id, text in correct if (slot_value := slot_of(text)) is not None}
    return Score(
        rows=len(kept),
        precision=len(correct) / len(kept) if kept else float("nan"),
        recall=len(covered) / (len(wanted) * len(SLOTS)) if wanted else float("nan"),
    )
