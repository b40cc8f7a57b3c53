"""Every command that writes, as small as it can be: what it does in a folder, and what counts of what it left."""

from __future__ import annotations

import hashlib
import io
import json
import random
from collections.abc import Callable
from contextlib import redirect_stderr
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from syntrans.classes.entries import ClassEntry
from syntrans.contract.reading import read_descriptors, read_semantics
from syntrans.descriptors.importers import import_descriptions
from syntrans.descriptors.pack import pack
from syntrans.images.image_set import ImageRef
from syntrans.progress import Silent
from syntrans_mining.config import MiningConfig
from syntrans_mining.run.mine import mine
from syntrans_training.config import EvaluateConfig, TrainConfig
from syntrans_training.engine import checkpoint
from syntrans_training.evaluation.evaluate import evaluate
from syntrans_training.pipeline.train import train
from syntrans_training.prediction.command import Request, predict
from syntrans_training.prediction.encoders import journal
from syntrans_training.prediction.task import TaskRequest

BIRDS = ("heron", "ibis", "kestrel")
COLOURS, SHAPES = ("red", "green", "blue", "yellow", "purple", "white"), ("disc", "bar", "frame")
NAMES = [f"{colour} {shape}" for shape in SHAPES for colour in COLOURS]
PARTS = {"base": NAMES[:8], "val": NAMES[8:13], "novel": NAMES[13:]}
TRAIN: dict[str, Any] = {
    "device": "cpu",
    "text": {"encoder": "package:syntrans_world/weights/clip"},  # small, and it knows colours and shapes
    "encoder": {"method": "precomputed"},
    "ridge": {"episodes": 10, "lambdas": [1.0], "shrinkages": [1.0], "alpha_step": 0.5, "name_shares": [0.0]},
    "vsbird": {
        "seeds": 1,
        "steps": 2,
        "val_checks": 1,
        "feature_powers": [1.0],
        "shrinkages": [1.0],
        "spread_factors": [1.0],
        "prior_shrinkages": [1.0],
        "lambdas": [1.0],
        "name_shares": [0.0],
        "controls": False,
    },
    "baselines": {"names": ["simpleshot"], "episodes": 10, "steps": 2},
    "episodes": {"shots": [1], "queries": 3},
}
_FEW = 8
EVALUATE = {"device": "cpu", "episodes": {"shots": [1], "queries": 3, "episodes": 20}, "control_draws": 1, "chunk": 10}


@dataclass(frozen=True)
class Scene:
    """A command in a folder: ``run`` does it or goes on with it, ``contents`` is what must be the same."""

    name: str
    run: Callable[[Path], object]
    contents: Callable[[Path], object]


def scenes(root: Path) -> dict[str, Scene]:
    """The scenes, with their inputs in ``root``."""
    root.mkdir(parents=True, exist_ok=True)
    config, entries, shown = mining_config(), [ClassEntry(name, name) for name in BIRDS], pictures()
    source = root / "source.jsonl"
    source.write_text("".join(json.dumps(line) + "\n" for line in statements()))
    told = import_descriptions([source], root / "told").descriptors
    settled = TrainConfig.model_validate({**TRAIN, "data": {"path": str(features(root / "features"))}})
    trained = root / "trained"
    train(settled, out=trained, descriptors=told)
    tiles_of = tiles(root / "tiles")
    encoder = TrainConfig.model_validate(
        {
            **TRAIN,
            "data": {"path": str(tiles_of), "size": 16},
            "encoder": {
                "backbone": "resnet12-tiny",
                "train_size": 16,
                "test_size": 16,
                "epochs": 2,
                "batch_size": 8,
                "precision": "fp32",
                "val_every": 1,
                "save_minutes": 0.0001,
            },
        }
    )
    tested = EvaluateConfig.model_validate(EVALUATE)
    quiet = Silent()
    every_scene = (
        Scene("mine", lambda out: mine(config, entries, shown, out, progress=quiet), _rows),
        Scene("import", lambda out: import_descriptions([source], out), _rows),
        Scene("pack", lambda out: out.exists() or pack(root / "told", out), _bytes),
        Scene("train", lambda out: train(settled, out=out, descriptors=told), _weights),
        Scene("train encoder", lambda out: train(encoder, out=out, descriptors=told, stage="encoder"), _weights),
        Scene("evaluate", lambda out: evaluate(trained, tested, out=out), _summary),
        Scene("predict", partial(name_pictures, tiles_of), _names),
    )
    return {scene.name: scene for scene in every_scene}


def mining_config(**sections: Any) -> MiningConfig:
    """Two fake models that refuse to speak about one bird, a fake pair of eyes and a fake CLIP."""
    faults = {"recognise ibis": "refuse"}
    values: dict[str, Any] = {
        "llms": [{"name": name, "path": name, "args": {"faults": faults}} for name in ("ann", "bob")],
        "vlm": {"name": "eye", "path": "eye"},
        "clip": {"path": "fake"},
        "engine": {"kind": "fake", "workers": 0},
        "crosscheck": {"threshold": 0.4},
        "propose": {"samples": 2, "tries": 2},
        "ground": {"threshold": 0.3, "images": 2},
        "filter": {"margin": -1.0, "images": 2, "budget": 3},
    }
    return MiningConfig.model_validate({**values, **sections})


def pictures() -> dict[str, list[ImageRef]]:
    """Two pictures of each bird."""

    def ref(name: str, number: int) -> ImageRef:
        buffer = io.BytesIO()
        Image.new("RGB", (4, 4), (sum(map(ord, name)) % 256, number, 9)).save(buffer, format="PNG")
        data = buffer.getvalue()
        return ImageRef(name, hashlib.sha256(data).hexdigest(), partial(bytes, data))

    return {name: [ref(name, number) for number in range(2)] for name in BIRDS}


def statements() -> list[dict[str, str]]:
    """Two true statements of each class of colours and shapes."""
    return [{"class": name, "text": f"it is {word}"} for name in NAMES for word in name.split()]


def features(folder: Path) -> Path:
    """Class centres that follow colour and shape, eight pictures of each class."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    words = {word: rng.normal(size=8) for word in (*COLOURS, *SHAPES)}
    for part, names in PARTS.items():
        rows = [(c, sum(words[w] for w in c.split()) + rng.normal(size=8)) for c in names for _ in range(8)]
        values = pa.array([np.asarray(v).tolist() for _, v in rows], pa.list_(pa.float32()))
        table = pa.table({"class": [c for c, _ in rows], "feature": values})
        pq.write_table(table, folder / f"{part}.features.parquet")
    return folder


def tiles(folder: Path) -> Path:
    """Pictures of one colour with some noise, eight of each class."""
    folder.mkdir()
    rng = random.Random(0)
    for part, names in PARTS.items():
        images, labels = [], []
        for name in names:
            for _ in range(8):
                colour = tuple((40 * NAMES.index(name) + 60 * i + rng.randrange(30)) % 256 for i in range(3))
                buffer = io.BytesIO()
                Image.new("RGB", (16, 16), colour).save(buffer, format="PNG")
                images.append({"bytes": buffer.getvalue(), "path": ""})
                labels.append(name)
        pq.write_table(pa.table({"image": images, "class": labels}), folder / f"{part}.parquet")
    return folder


def name_pictures(pictures: Path, out: Path) -> None:
    """`syntrans predict --out` of the novel tiles, its features kept after every `_FEW` pictures."""
    task = TaskRequest(support=pictures / "novel.parquet", encoder="photo", text="none")
    with mock.patch.object(journal, "EVERY", _FEW), redirect_stderr(io.StringIO()):  # it has much to say
        predict(Request(str(pictures / "novel.parquet"), task, out / "names.csv"))


def _names(out: Path) -> object:
    """Every answer; no features of a command that is over."""
    hidden = sorted(path.name for path in out.glob(".*"))
    return (out / "names.csv").read_text().splitlines(), hidden


def _rows(out: Path) -> object:
    """Everything of the files but the run's id, and the vectors where there are."""
    rows, meta = read_descriptors(out / "descriptors.parquet")
    semantics = out / "semantics.parquet"
    vectors = [row.model_dump() for row in read_semantics(semantics)[0]] if semantics.exists() else []
    rests = sorted(path.name for path in out.glob(".*.tmp"))
    return (
        [row.model_dump() for row in rows],
        vectors,
        meta.model_dump(exclude={"run_id"}),
        rests,
    )


def _bytes(out: Path) -> object:
    files = sorted(path for path in out.rglob("*") if path.is_file())
    hidden = [path.name for path in out.parent.glob(".*")]
    return [(str(path.relative_to(out)), hashlib.sha256(path.read_bytes()).hexdigest()) for path in files], hidden


def _weights(out: Path) -> object:
    """The values of every tensor; no state of a training that is over."""
    files = sorted(path for path in out.glob("*.safetensors"))
    return [(path.name, checkpoint.weights_hash(checkpoint.load(path)[0])) for path in files]


def _summary(out: Path) -> object:
    summary = json.loads((out / "summary.json").read_text())
    accuracies = pq.read_table(out / "accuracies.parquet").to_pydict()
    return summary["results"], summary["contrasts"], accuracies
