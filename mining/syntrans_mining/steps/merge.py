"""Merge: what is no statement goes, what names a class goes, and what says the same becomes one."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from syntrans.contract.rows import normalise_text
from syntrans.descriptors.mentions import mention_pattern, name_pattern
from syntrans_mining.steps.candidate import Candidate, by_class, kept

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

STEP = "merge"
# Marks that chat templates and markup are made of; a descriptor that holds them could leave its place in a prompt.
_MARKUP = re.compile(r"<[|!?/]|\|>|<\w[^<>]*>|\[/?INST\]|\{\{|\}\}|\{%|\]\(|###|(?:https?|javascript|data|file):(?=\S)")
# What speaks to a judge instead of describing: judges are language models, and some would obey.
_ORDER = re.compile(
    r"\byes\b"
    r"|\b(?:ignore|disregard|forget|override)\b.{0,40}\b(?:question|instruction|prompt|rule|above|previous|everything)"
    r"|\b(?:answer|reply|respond|output)\b.{0,20}\b(?:no|only|true|with)\b"
    r"|\b(?:system|assistant|user)\s*:"
)
_LETTER = re.compile(r"[^\W\d_]")


def check_texts(candidates: list[Candidate], class_names: Iterable[str], *, max_words: int) -> None:
    """Drop what is empty, too long, markup or an order (malformed), and what names a class (names_class).

    The class's own name never helps. Another class's name does harm in a comparison, when it is all that is said,
    or when it has several words; otherwise "orange" and "plate" are words like others, whatever else is on the list.
    """
    pattern_of = {name: name_pattern([name]) for name in {candidate.class_name for candidate in candidates}}
    others = mention_pattern(class_names)
    for candidate in kept(candidates):
        text = candidate.text
        if not _LETTER.search(text) or len(text.split()) > max_words or not describes(text):
            candidate.drop(STEP, "malformed")
        elif pattern_of[candidate.class_name].search(plain := normalise_text(text)) or others.search(plain):
            candidate.drop(STEP, "names_class")


def describes(text: str) -> bool:
    """Whether ``text`` may stand in a prompt: it holds no markup, and gives whoever reads it no order."""
    plain = unicodedata.normalize("NFKC", text)
    return not _MARKUP.search(plain) and not _ORDER.search(plain.casefold())


def merge_duplicates(candidates: list[Candidate], vectors: NDArray[np.float32], *, similarity: float) -> None:
    """Unite statements of one class whose unit ``vectors`` [n, d], one per kept candidate, are ``similarity`` close.

    The statement with most authors stays; it gains the authors of those that go as duplicate_of it.
    Greedy, from the most to the least supported, so that the result does not depend on the order of answers.
    """
    row_of = {candidate: row for row, candidate in enumerate(kept(candidates))}
    for group in by_class(kept(candidates)).values():
        ordered = sorted(group, key=lambda c: (-len(c.author_models), -len(c.authors), c.text))
        survivors: list[Candidate] = []
        for candidate in ordered:
            same = _closest(candidate, survivors, vectors, row_of, similarity)
            if same is None:
                survivors.append(candidate)
            else:
                same.authors.extend(candidate.authors)
                candidate.drop(STEP, "duplicate_of")
                candidate.duplicate_of = same.id


def _closest(
    candidate: Candidate,
    survivors: Sequence[Candidate],
    vectors: NDArray[np.float32],
    row_of: Mapping[Candidate, int],
    similarity: float,
) -> Candidate | None:
    best, best_value = None, similarity
    for other in survivors:
        value = float(vectors[row_of[candidate]] @ vectors[row_of[other]])
        if value >= best_value:
            best, best_value = other, value
    return best
