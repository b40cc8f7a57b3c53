"""From a descriptor file to one vector per class, in several variants.

kept        weighted mean of the unit embeddings of the kept descriptors, renormalised
raw         the same over every merged candidate, unweighted: no checking at all (rows dropped as `duplicate_of` are not
            candidates of their own, and rows that end in `propose` are questions without an answer)
random      as many random words or letters in place of each kept descriptor (the idea of Roth et al., "Waffling around
            for Performance", ICCV 2023, arXiv 2306.07282): what a text encoder makes of sentences that say nothing
unnamed     the kept descriptors with "it" in place of the class name, and the name beside them as far as its share says
classname_free  the kept descriptors with "it" in place of the class name, and no name beside them (the control of "Does
            VLM Classification Benefit from LLM Description Semantics?", arXiv 2412.11917; the mask is derived)
name        the class name alone
statements  which of the kept descriptors a class has, as numbers that are 0 or the same, read by no text encoder
With a `weighting` other than `mining`, kept descriptors count by their agreement, by what the VLM saw, by CLIP's
margin, or all the same.
With a `name_share` b the class vector is norm(b * name + (1 - b) * descriptors) (docs/method.md (9)).
Shuffled classes is not a variant of the texts but a derangement of which class gets which vector: `derangement`.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import numpy as np
from numpy.typing import NDArray

from syntrans.classes.entries import ClassEntry
from syntrans.classes.match import match, nearest
from syntrans.contract.reading import read_descriptors
from syntrans.contract.rows import DescriptorRow, FileMetadata, descriptor_id, normalise_text
from syntrans.descriptors.mentions import name_pattern, without_names
from syntrans.errors import InputError
from syntrans.progress import say
from syntrans.sentences import fill
from syntrans_training.text.encoders import TextEncoder

KEPT, NAME = "kept", "name"
NONE = "none"  # the variant of the texts that says nothing
SIMILARITIES = "similarities"  # of `kept`: means whose products are mean similarities, `EmbeddedTexts.means`
UNNAMED, CLASSNAME_FREE = "unnamed", "classname_free"
STATEMENTS = "statements"
_NO_NAME = "thing"  # what stands for every class name there: the same word for all classes
WEIGHTINGS = ("mining", "agreement", "grounding", "margin", "uniform")


@dataclass(frozen=True)
class Knowledge:
    """A descriptor file, looked up by the class names of a data set."""

    rows: dict[str, list[DescriptorRow]]  # by data class
    names: dict[str, str]  # data class -> display name
    meta: FileMetadata | None

    @cached_property
    def words(self) -> list[str]:
        """Every word of the file's texts, once."""
        return sorted({word for rows in self.rows.values() for row in rows for word in row.text.split()})

    @property
    def images_seen(self) -> tuple[str, ...]:
        """sha256 of the pictures that mining looked at."""
        return tuple(self.meta.images_seen) if self.meta else ()

    @property
    def variants(self) -> tuple[str, ...]:
        """What this file can be asked for: `raw` only where the ledger holds rejected rows."""
        rows = [row for group in self.rows.values() for row in group]
        if not rows:
            return ("name",)
        rejected = any(not row.kept and _is_candidate(row) for row in rows)
        named = any(row.kept and name_pattern([row.class_name]).search(normalise_text(row.text)) for row in rows)
        return ("kept", *(("raw",) if rejected else ()), *((CLASSNAME_FREE,) if named else ()), "random", "name")


def read_knowledge(path: Path | None, classes: Sequence[str], beside: Sequence[str] = ()) -> Knowledge:
    """The descriptors of `classes`; without a path only their names.

    Which rows are whose, `classes.match.match` says: by class id, by class name, then by their spelling. Classes
    `beside` these have rows of their own, if the file knows them, which are then nobody else's.
    Raises `InputError` naming the classes that the file does not know, or that could be several of its.
    """
    if path is None:
        return Knowledge({}, {c: c for c in classes}, None)
    rows, meta = read_descriptors(path)
    groups = _by_class(path, rows)
    described = [ClassEntry(class_id, group[0].class_name) for class_id, group in groups.items()]
    wanted, others = ([ClassEntry(c, c) for c in names] for names in (classes, beside))
    matches = match(wanted, described, str(path), beside=others)
    if matches.missing:
        listed = nearest(matches.missing, [entry.name for entry in described])
        raise InputError(
            f"{path} has no descriptors for {len(matches.missing)} of {len(classes)} classes ({listed}); "
            "mine or import them with the class names of the data"
        )
    matched = {c: groups[matches.found[c]] for c in classes}
    return Knowledge(matched, {c: group[0].class_name for c, group in matched.items()}, meta)


def knowledge_of(described: Mapping[str, Sequence[str]], classes: Sequence[str]) -> Knowledge:
    """What a program says of `classes`, every sentence counting the same; one that it leaves out has its name alone."""
    rows = {
        name: [
            DescriptorRow(
                class_id=name,
                class_name=name,
                descriptor_id=descriptor_id(name, text),
                text=text,
                facet="other",
                authors=[],
                kept=True,
            )
            for text in described.get(name, ())
        ]
        for name in classes
    }
    return Knowledge(rows, {name: name for name in classes}, None)


def _by_class(path: Path, rows: Sequence[DescriptorRow]) -> dict[str, list[DescriptorRow]]:
    """Rows by class id; `InputError` where an id has two names, as earlier versions wrote for 'Bär' and 'Bar'."""
    groups: dict[str, list[DescriptorRow]] = {}
    for row in rows:
        group = groups.setdefault(row.class_id, [])
        if group and group[0].class_name != row.class_name:
            both = f"{group[0].class_name!r} and {row.class_name!r}"
            raise InputError(
                f"{path}: the rows of {both} are mixed under the id {row.class_id!r}; write the file again"
            )
        group.append(row)
    return groups


@dataclass(frozen=True)
class EmbeddedTexts:
    """Embedded texts of C classes: unit names [C, s], unit descriptors [C, m, s], and their weights [C, m].

    A class with fewer than m descriptors has weight 0 in the places it leaves empty. `sentences` are what was read.
    """

    names: NDArray[np.float32]
    texts: NDArray[np.float32]
    weights: NDArray[np.float32]
    sentences: tuple[tuple[str, ...], ...] = ()

    def means(self) -> NDArray[np.float32]:
        """Means of the unit descriptors [C, s], each counting the same, not renormalised; the name where there is none.

        The product with a unit picture is the mean of its cosines with the descriptors.
        """
        there = self.weights > 0
        sums = np.einsum("cm,cms->cs", there.astype(np.float32), self.texts)
        means: NDArray[np.float32] = np.where(
            there.any(1, keepdims=True), sums / np.maximum(there.sum(1, keepdims=True), 1), self.names
        ).astype(np.float32)
        return means

    def vectors(self, name_share: float, present: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
        """One unit vector per class [C, s], of the `present` [C, m] descriptors; a class left with none keeps all."""
        weights = self.weights
        if present is not None:
            some = (weights * present).any(1, keepdims=True)
            weights = np.where(some, weights * present, weights)
        described = weights.any(1, keepdims=True)
        means = np.where(described, _unit(np.einsum("cm,cms->cs", weights, self.texts)), self.names)
        return _unit(name_share * self.names + (1 - name_share) * means)


def embed_texts(
    knowledge: Knowledge,
    classes: Sequence[str],
    encoder: TextEncoder,
    variant: str,
    *,
    descriptor_template: str = "{text}",
    name_template: str = "a photo of a {name}",
    draw: int = 0,
    weighting: str = "mining",
) -> EmbeddedTexts:
    """Embed what a variant says of the classes. A class with no descriptor left is described by its name, and said so.

    `draw` numbers the random texts of variant `random`; `weighting` is one of WEIGHTINGS.
    """
    reader = _StatementIndex(knowledge, descriptor_template) if variant == STATEMENTS else encoder
    shown = [_NO_NAME if variant == CLASSNAME_FREE else knowledge.names[c] for c in classes]
    names = reader.encode([name_template.format(name=name) for name in shown])
    if variant == "name":
        chosen: list[list[tuple[str, float]]] = [[] for _ in classes]
    elif variant == "random":
        chosen = [_random_texts(knowledge, c, draw, descriptor_template) for c in classes]
    else:
        chosen = [_weighted_texts(knowledge, c, variant, descriptor_template, weighting) for c in classes]
    texts = np.zeros((len(classes), max(1, *map(len, chosen)), names.shape[1]), np.float32)
    weights = np.zeros(texts.shape[:2], np.float32)
    embedded = iter(reader.encode([text for weighted in chosen for text, _ in weighted] or [""]))
    for i, weighted in enumerate(chosen):
        for j, (_, weight) in enumerate(weighted):
            texts[i, j], weights[i, j] = next(embedded), weight
    empty = [c for c, weighted in zip(classes, chosen, strict=True) if not weighted]
    if empty and variant != "name":
        say(f"{variant}: no descriptor for {', '.join(empty[:4])} ({len(empty)} classes); their name stands in")
    return EmbeddedTexts(names, texts, weights, tuple(tuple(text for text, _ in weighted) for weighted in chosen))


class _StatementIndex:
    """In place of a text encoder: every kept descriptor of a file is a unit vector of its own, all else is zero."""

    def __init__(self, knowledge: Knowledge, template: str) -> None:
        kept = {text for c in knowledge.rows for text, _ in _weighted_texts(knowledge, c, KEPT, template, "uniform")}
        self.places = {text: i for i, text in enumerate(sorted(kept))}

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One row a text."""
        vectors = np.zeros((len(texts), len(self.places)), np.float32)
        for row, text in zip(vectors, texts, strict=True):
            if text in self.places:
                row[self.places[text]] = 1
        return vectors


def _weighted_texts(
    knowledge: Knowledge, c: str, variant: str, template: str, weighting: str
) -> list[tuple[str, float]]:
    name = knowledge.names[c]
    rows = [row for row in knowledge.rows[c] if _is_candidate(row)]
    if variant != "raw":
        rows = [row for row in rows if row.kept]
    weights = [1.0 if variant == "raw" else _weight(row, weighting) for row in rows]
    if not any(w > 0 for w in weights):
        weights = [1.0] * len(rows)
    texts = [row.text for row in rows]
    if variant in (UNNAMED, CLASSNAME_FREE):
        texts, name = [without_names(text, [name]) for text in texts], _NO_NAME
    return [(fill(template, text=text, name=name), w) for text, w in zip(texts, weights, strict=True)]


def _is_candidate(row: DescriptorRow) -> bool:
    return row.reason != "duplicate_of" and row.stage != "propose"


def _weight(row: DescriptorRow, weighting: str) -> float:
    """What a row counts, never below 0; 1 where the ledger does not say."""
    weight: float | None = None
    if weighting == "mining":
        weight = row.weight
    elif weighting == "agreement":
        weight = row.agreement
    elif weighting == "grounding":
        weight = None if row.grounding is None else row.grounding.p_yes
    elif weighting == "margin":
        weight = None if row.clip is None else row.clip.margin
    return 1.0 if weight is None else max(0.0, float(weight))


def _random_texts(knowledge: Knowledge, c: str, draw: int, template: str) -> list[tuple[str, float]]:
    """One random text per kept descriptor, of as many words: words of the file by turns with letters without sense."""
    rng = np.random.default_rng([draw, *hashlib.sha256(c.encode()).digest()])
    texts = []
    for i, row in enumerate(row for row in knowledge.rows[c] if row.kept):
        words = row.text.split()
        if i % 2:
            drawn = ["".join(ascii_lowercase[j] for j in rng.integers(26, size=len(word))) for word in words]
        else:
            drawn = [knowledge.words[j] for j in rng.integers(len(knowledge.words), size=len(words))]
        texts.append((fill(template, text=" ".join(drawn), name=knowledge.names[c]), 1.0))
    return texts


def _unit(vector: NDArray[Any]) -> NDArray[np.float32]:
    unit_rows: NDArray[np.float32] = vector / np.maximum(np.linalg.norm(vector, axis=-1, keepdims=True), 1e-12)
    return unit_rows


def derangement(n: int, seed: int) -> NDArray[np.int64]:
    """A random permutation of 0..n-1 without fixed points (Sattolo's algorithm: one cycle); needs n >= 2."""
    if n < 2:
        raise ValueError(f"a derangement needs at least 2 classes, got {n}")
    rng = np.random.default_rng((seed, n))
    order = np.arange(n)
    for i in range(n - 1, 0, -1):
        j = int(rng.integers(i))
        order[i], order[j] = order[j], order[i]
    return order


def half_deranged(n: int, seed: int) -> NDArray[np.int64]:
    """A permutation that moves a random half of 0..n-1 among itself, and leaves the rest; needs n >= 4."""
    if n < 4:
        raise ValueError(f"half a derangement needs at least 4 classes, got {n}")
    moved = np.sort(np.random.default_rng((seed, n, 2)).permutation(n)[: n // 2])
    order = np.arange(n)
    order[moved] = moved[derangement(len(moved), seed)]
    return order
