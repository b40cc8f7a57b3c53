"""How many pictures a text is worth to `syntrans predict` (k0): what it gains on the domains that it was chosen on.

Usage: python benchmarks/predict/text_pictures.py DATA_DIR [--draws 200] [--out FILE] [--quick]

DATA_DIR holds caltech101/, miniimagenet/ and descriptors/. Three domains, none of them a novel class of
docs/predict.md: Caltech-101's base and val classes with CuPL's texts; miniImageNet's classes with CuPL's and DCLIP's,
every fifth in turn left out of a bridge that is made of the others; the embedded world's base and val classes, which
are drawings of invented things, with true descriptions. And names. 10-way, 15 queries a class, each named alone.
Needs the extras `photo` and `minilm`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest import mock

import numpy as np
import pyarrow.parquet as pq

from benchmarks.predict.predict import QUERIES, SEED, WAYS, half_width
from benchmarks.quick import add_quick
from syntrans.images.image_set import ImageRef
from syntrans.machine import facts
from syntrans.paths import artifacts_root, atomic_write_text
from syntrans_training.prediction import text_pictures
from syntrans_training.prediction.class_means import class_directions
from syntrans_training.prediction.encoders.choose import open_image_encoder
from syntrans_training.prediction.encoders.minilm import SentenceEncoder
from syntrans_training.prediction.encoders.pipeline import encode_photos
from syntrans_training.prediction.inputs.knowledge import read_texts
from syntrans_training.prediction.space import Space, fit_space, fit_text_map
from syntrans_world.export import export_cached
from syntrans_world.spec import CLASSES, PHRASES

if TYPE_CHECKING:
    from numpy.typing import NDArray

WORTHS, SHOTS = (0.25, 0.5, 1.0, 2.0), (1, 3, 5)
FOLDS, PER_CLASS, TEXTS = 5, 60, 20
"""Of miniImageNet's classes; pictures of a class, and texts of one author, that are read."""


@dataclass(frozen=True)
class Domain:
    """Pictures [n, r] of one space with their `labels` [n] into C classes, and what each kind of text [C, r] says."""

    pictures: NDArray[np.float32]
    labels: NDArray[np.int64]
    texts: dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Read:
    """Raw features [n, d], `labels` [n] into the classes, and class vectors [C, s] of each kind of text."""

    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    vectors: dict[str, NDArray[np.float32]]

    def of(self, classes: NDArray[np.int64], space: Space) -> Domain:
        """These classes in a space."""
        assert space.text is not None
        rows = np.isin(self.labels, classes)
        told = {kind: space.text(vectors[classes]) for kind, vectors in self.vectors.items()}
        return Domain(space.project(self.features[rows]), np.searchsorted(classes, self.labels[rows]), told)


def read(
    files: Sequence[Path], described: Mapping[str, Mapping[str, Sequence[str]]], per_class: int = PER_CLASS
) -> Read:
    """Pictures of Parquet files, and the texts of their classes by author, and their names."""
    photos, names = [], []
    for file in files:
        table = pq.read_table(file, columns=["image", "class"])
        named = np.array(table["class"].to_pylist())
        for name in np.unique(named):
            for row in np.flatnonzero(named == name)[:per_class].tolist():
                photos.append(ImageRef("", "", partial(bytes, table["image"][row].as_py()["bytes"]), f"{file} {row}"))
                names.append(str(name))
    encoded = encode_photos(open_image_encoder("photo").encoder, photos, "read pictures")
    classes, labels = np.unique(np.array(names)[list(encoded.rows)], return_inverse=True)
    reader, vectors = SentenceEncoder(), {}
    for kind, told in {**described, "names": {}}.items():
        known = {name.casefold(): sorted(set(texts))[:TEXTS] for name, texts in told.items()}
        own = {name: known.get(name.casefold(), []) for name in map(str, classes)}
        vectors[kind] = read_texts([*own], own, reader).vectors
    return Read(encoded.features, labels, vectors)


def domains(data: Path, *, quick: bool) -> Iterator[tuple[str, list[Domain]]]:
    """Each with the parts that have a bridge of their own; `quick`: the one that needs no file."""
    shipped = open_image_encoder("photo").space
    yield "the world", [world(shipped, QUERIES + max(SHOTS) if quick else PER_CLASS)]
    if quick:
        return
    caltech = data / "caltech101"
    told = {"cupl": json.loads((caltech / "cupl_descriptions.json").read_text(encoding="utf-8"))}
    features = read([caltech / "base.parquet", caltech / "val.parquet"], told)
    yield "Caltech-101", [features.of(np.unique(features.labels), shipped)]
    texts = {"cupl": "cupl_imagenet_base", "dclip": "dclip_imagenet"}
    told = {kind: json.loads((data / "descriptors" / f"{name}.json").read_text()) for kind, name in texts.items()}
    yield "miniImageNet", left_out(read(sorted((data / "miniimagenet").glob("*.parquet")), told))


def world(space: Space, per_class: int) -> Domain:
    """Drawings of invented things."""
    folder = export_cached(per_class)
    truths = {entry.name: [PHRASES[slot][value][0] for slot, value in entry.truth().items()] for entry in CLASSES}
    features = read([folder / "base.parquet", folder / "val.parquet"], {"true": truths}, per_class)
    return features.of(np.unique(features.labels), space)


def left_out(data: Read) -> list[Domain]:
    """Every fifth class in turn, in the space and by the text map of the others."""
    folds = []
    every = np.unique(data.labels)
    for fold in range(FOLDS):
        seen = every[every % FOLDS != fold]
        rows = np.isin(data.labels, seen)
        space, means = fit_space(data.features[rows], np.searchsorted(seen, data.labels[rows]))
        kinds = [vectors[seen] for vectors in data.vectors.values()]
        text = fit_text_map(np.concatenate(kinds), np.concatenate([means] * len(kinds)))
        folds.append(data.of(every[every % FOLDS == fold], Space(space.mean, space.transform, None, text)))
    return folds


def accuracies(part: Domain, shots: int, n: int) -> Iterator[dict[tuple[str, float], float]]:
    """Of each draw, by kind of text and k0; without text k0 is 0."""
    rng = np.random.default_rng([SEED, shots])
    for _ in range(n):
        chosen = rng.choice(np.unique(part.labels), WAYS, replace=False)
        rows = [rng.permutation(np.flatnonzero(part.labels == c))[: shots + QUERIES] for c in chosen]
        task = Task(
            part.pictures[np.concatenate([own[:shots] for own in rows])],
            part.pictures[np.concatenate([own[shots:] for own in rows])],
            np.repeat(np.arange(WAYS), [len(own) - shots for own in rows]),
        )
        right = {("", 0.0): task.right(None)}
        for worth in WORTHS:
            with mock.patch.object(text_pictures, "TEXT_PICTURES", worth):
                right |= {(kind, worth): task.right(text[chosen]) for kind, text in part.texts.items()}
        yield right


class Task(NamedTuple):
    """Supports [ways * shots, r], pictures to name [n, r] and their classes [n]."""

    support: NDArray[np.float32]
    query: NDArray[np.float32]
    truth: NDArray[np.int64]

    def right(self, text: NDArray[np.float32] | None) -> float:
        """Share of the pictures that get their class with this text [ways, r]."""
        labels = np.repeat(np.arange(WAYS), len(self.support) // WAYS)
        classes = class_directions(self.support, labels, text, WAYS)
        return float((classes.scores(classes.place(self.query)).argmax(1) == self.truth).mean())


def gains(parts: Sequence[Domain], shots: int, n: int) -> dict[str, Any]:
    """Percent right without text, and the points that each text adds by k0, paired, with half of its 95 % interval."""
    rows = [row for part in parts for row in accuracies(part, shots, max(n // len(parts), 2))]
    mute = np.array([row["", 0.0] for row in rows])
    figures: dict[str, Any] = {"draws": len(rows), "no text": round(100 * float(mute.mean()), 2)}
    for kind in parts[0].texts:
        more = {worth: np.array([row[kind, worth] for row in rows]) - mute for worth in WORTHS}
        figures[kind] = {worth: [round(100 * float(of.mean()), 2), half_width(of)] for worth, of in more.items()}
    return figures


def main() -> None:
    """Measure, print a table, write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--out", type=Path)
    add_quick(parser)
    given = parser.parse_args()
    print(f"| domain | shots | no text | text | {' | '.join(f'k0 {worth:g}' for worth in WORTHS)} |")
    print(f"|---|---|---|---|{'---|' * len(WORTHS)}")
    figures: dict[str, Any] = {"machine": facts(artifacts_root()), "domains": {}}
    for name, parts in domains(given.data, quick=given.quick):
        by_shots = {str(shots): gains(parts, shots, 2 if given.quick else given.draws) for shots in SHOTS}
        figures["domains"][name] = by_shots
        for shots, of_shots in by_shots.items():
            for kind in parts[0].texts:
                cells = " | ".join(f"{gain:+.2f} ± {half:.2f}" for gain, half in of_shots[kind].values())
                print(f"| {name} | {shots} | {of_shots['no text']:.2f} | {kind} | {cells} |", flush=True)
    if given.out:
        atomic_write_text(given.out, json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
