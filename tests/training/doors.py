"""What each command reads of pictures at a path: the readers that it calls, without what it does with them after."""

from __future__ import annotations

import contextlib
import hashlib
import io
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from prediction_world import ColourEncoder

from syntrans.classes.entries import ClassEntry
from syntrans.contract.rows import DescriptorRow, FileMetadata, descriptor_id
from syntrans.contract.writing import write_descriptors
from syntrans_mining.config import MiningConfig
from syntrans_mining.run.pictures import open_pictures, pictures_of
from syntrans_training.config import DataConfig, TrainConfig
from syntrans_training.data.check import check
from syntrans_training.data.load_splits import configured_pictures, decoding_of, open_data, origin_of
from syntrans_training.data.store import Split
from syntrans_training.evaluation.novel_pictures import novel_pictures
from syntrans_training.pipeline.preparation import prepare
from syntrans_training.prediction.encoders.pipeline import encode_photos
from syntrans_training.prediction.inputs.photos import open_supports


class Asked(NamedTuple):
    """A path and its classes, and what a user may say of them: a split (a file, auto), columns of Parquet."""

    path: str
    classes: tuple[str, ...]
    split: str | None = None
    columns: tuple[str | None, str | None] = (None, None)

    def data(self) -> DataConfig:
        """The section of training's config."""
        image, label = self.columns
        return DataConfig(path=self.path, split_file=self.split, image_column=image, label_column=label, size=16)


class Read(NamedTuple):
    """Numbers of classes and of pictures; hashes by class, where the command knows them; what it said."""

    n_classes: int
    n_pictures: int
    by_class: dict[str, set[str]] | None
    said: str


def mine(request: Asked) -> Read:
    """`syntrans mine --images`."""
    image, label = request.columns
    config = MiningConfig.model_validate(
        {
            "llms": [{"name": "a", "path": "a"}],
            "clip": {"path": "c"},
            "images": {"image_column": image, "label_column": label, "reserve": 0},
            "filter": {"images": 99},
        }
    )
    entries, said = [ClassEntry(name, name) for name in request.classes], list[str]()
    with tempfile.TemporaryDirectory() as copies:
        images = open_pictures(request.path, config, entries)
        chosen = pictures_of(config, entries, images, Path(copies), said.append)
    return _read(((name, picture.sha256) for name, own in chosen.items() for picture in own), "\n".join(said))


def train(request: Asked) -> Read:
    """`syntrans train`, and `syntrans evaluate`, which reads the novel part of the same data."""
    config = {"data": request.data().model_dump(), "episodes": {"ways": 2, "shots": [1], "queries": 2}}
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()) as said:
        prepared = prepare(TrainConfig.model_validate(config), _described(request.classes, Path(folder)))
        data, split = prepared.config.data, prepared.split
        parts = [*open_data(data, ("base", "val"), split).values(), *open_data(data, ("novel",), split).values()]
    return _of(parts, said.getvalue())


def evaluate_images(request: Asked) -> Read:
    """`syntrans evaluate --images`: all classes are novel; of data that are divided those of that part."""
    trained = configured_pictures(request._replace(path="elsewhere", split=None).data())
    with contextlib.redirect_stderr(io.StringIO()) as said:
        split = novel_pictures(trained, request.path).open(("novel",))["novel"]
    return _of([split], said.getvalue())


def predict(request: Asked) -> Read:
    """`syntrans predict --support`."""
    supports = open_supports(Path(request.path))
    read = encode_photos(ColourEncoder(), supports.pictures, "read supports")
    pairs = [
        (supports.classes[supports.labels[row]], hashlib.sha256(supports.pictures[row].load()).hexdigest())
        for row in read.rows
    ]
    return _read(pairs, "\n".join([supports.passed_over, *read.broken.values()]))


def data_check(request: Asked) -> Read:
    """`syntrans data check`, which counts."""
    report = check(origin_of(request.data()), decoding_of(request.data()))
    n_classes, n_pictures = (sum(part[key] for part in report["parts"].values()) for key in ("classes", "images"))
    return Read(n_classes, n_pictures, None, "\n".join(finding["message"] for finding in report["findings"]))


DOORS = {
    "mine --images": mine,
    "train, evaluate": train,
    "train --split auto": train,
    "evaluate --images": evaluate_images,
    "predict --support": predict,
    "data check": data_check,
}


def _described(classes: Iterable[str], folder: Path) -> Path:
    rows = [
        DescriptorRow(
            class_id=name,
            class_name=name,
            descriptor_id=descriptor_id(name, "a thing"),
            text="a thing",
            facet="other",
            authors=[],
            kept=True,
            weight=1.0,
        )
        for name in classes
    ]
    return write_descriptors(folder / "d.parquet", rows, FileMetadata(run_id="t", class_list_sha256="0" * 64))


def _of(splits: Iterable[Split], said: str) -> Read:
    pairs = ((s.classes[label], sha256) for s in splits for label, sha256 in zip(s.labels, s.sha256, strict=True))
    return _read(pairs, said)


def _read(pairs: Iterable[tuple[str, str]], said: str) -> Read:
    by_class: dict[str, set[str]] = defaultdict(set)
    for name, sha256 in pairs:
        by_class[name].add(sha256)
    return Read(len(by_class), sum(map(len, by_class.values())), dict(by_class), said)
