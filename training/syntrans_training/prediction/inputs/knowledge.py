"""Descriptors of the classes of a predict task, by class id or name, else the class names.

Texts are read by the sentence encoder that the bridge was made with, or by the CLIP that reads the pictures.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from syntrans.classes.entries import ClassEntry
from syntrans.classes.match import match
from syntrans.contract.reading import read_descriptors
from syntrans.errors import InputError
from syntrans_training.prediction.shapes import Float
from syntrans_training.prediction.space import unit

NAME_TEMPLATE = "a photo of a {name}"
MOST = 30  # descriptors that are read of a class, by rank


@runtime_checkable
class TextReader(Protocol):
    """Unit vectors of texts."""

    def encode(self, texts: Sequence[str]) -> Float[np.ndarray, "n s"]:
        """In the order of the texts."""
        ...


@dataclass(frozen=True)
class ClassTexts:
    """C classes in words: `descriptors` of each, perhaps none; their `vectors`; in `each` one a descriptor."""

    names: tuple[str, ...]
    descriptors: tuple[tuple[str, ...], ...]
    vectors: Float[np.ndarray, "c s"]
    each: tuple[Float[np.ndarray, "_ s"], ...]


def find_descriptors(path: Path, classes: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The kept descriptors of the classes that the file knows, best first; looked up by id and by name.

    Raises `InputError` when it knows none of them.
    """
    rows, _ = read_descriptors(path)
    there = [ClassEntry(class_id, name) for class_id, name in {row.class_id: row.class_name for row in rows}.items()]
    matches = match([ClassEntry(name, name) for name in classes], there, str(path))
    kept: dict[str, list[tuple[int, str]]] = {}
    for row in rows:
        if row.kept:
            kept.setdefault(row.class_id, []).append((row.rank if row.rank is not None else 10**9, row.text))
    by_class = {}
    for name in classes:
        class_id = matches.found.get(name, "")
        if class_id in kept:
            by_class[name] = tuple(text for _, text in sorted(kept[class_id])[:MOST])
    if not by_class:
        raise InputError(
            f"{path} has no descriptor of {', '.join(list(classes)[:3])}; mine or import them under these class names, "
            "or say --text names"
        )
    return by_class


def read_texts(
    classes: Sequence[str], descriptors: Mapping[str, Sequence[str]], reader: TextReader, template: str = NAME_TEMPLATE
) -> ClassTexts:
    """Embed the classes: the mean of a class's descriptors, or its name where it has none."""
    of_classes = tuple(tuple(descriptors.get(name, ())) for name in classes)
    flat = [text for texts in of_classes for text in texts]
    vectors = reader.encode([*(template.format(name=_words(name)) for name in classes), *flat])
    names, rest = vectors[: len(classes)], vectors[len(classes) :]
    ends = np.cumsum([len(texts) for texts in of_classes])[:-1]
    each = tuple(np.split(rest, ends)) if len(classes) else ()
    means = [unit(own.mean(0)) if len(own) else name for own, name in zip(each, names, strict=True)]
    return ClassTexts(tuple(classes), of_classes, np.stack(means), each)


def _words(name: str) -> str:
    """A folder's name as words."""
    return " ".join(name.replace("_", " ").split()) or name
