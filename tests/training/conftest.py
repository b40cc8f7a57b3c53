"""Shape checks for the tensor code, a toy data set, its descriptors, and a tiny real text encoder."""

from __future__ import annotations

import io
import itertools
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from jaxtyping import install_import_hook
from PIL import Image
from shape_checker import check_new_shapes

import syntrans_training
from syntrans.progress import Tracker
from syntrans_training.config import TrainConfig

if TYPE_CHECKING:
    from syntrans.contract.rows import DescriptorRow


def pytest_configure() -> None:
    """Shapes are checked, from before the first import of a module on; pydantic checks the configs itself."""
    check_new_shapes()
    names = (module.name for module in iter_modules(syntrans_training.__path__))
    install_import_hook([f"syntrans_training.{name}" for name in names if name != "config"], "shape_checker.check")


COLOURS = ["red", "green", "blue", "yellow", "purple", "white"]
SHAPES = ["disc", "bar", "frame"]
ASSETS = Path(__file__).parent / "assets"


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Tensors here are tiny: threads only fight over them, and one thread makes every sum the same."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture
def stop_after(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int], AbstractContextManager[None]]:
    """Ctrl-C when a progress bar has moved so often: `with stop_after("train", 9): ...` is interrupted."""

    @contextmanager
    def stopping(label: str, moves: int) -> Iterator[None]:
        left, advance = itertools.count(moves - 1, -1), Tracker.advance

        def stop(tracker: Tracker, n: int = 1, status: str = "") -> None:
            advance(tracker, n, status)
            if tracker.label == label and next(left) == 0:
                raise KeyboardInterrupt

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(Tracker, "advance", stop)
            yield

    return stopping


@pytest.fixture(scope="session")
def reference() -> Callable[[str], dict[str, Any]]:
    """Numbers recorded from the authors' own code: `reference("ci")`, its arrays as numpy arrays."""

    def as_array(value):
        if value.keys() >= {"dtype", "shape", "data"}:
            return np.array(value["data"], value["dtype"]).reshape(value["shape"])
        return value

    return lambda name: json.loads((ASSETS / f"{name}.json").read_text(), object_hook=as_array)


def toy_picture(colour: int, shape: int, rng: np.random.Generator) -> bytes:
    rgb = np.array([[220, 40, 40], [40, 200, 40], [40, 40, 220], [220, 220, 40], [170, 40, 190], [230, 230, 230]])
    y, x = np.mgrid[:20, :20] - 9.5 + rng.normal(0, 1.5, (2, 1, 1))
    inside = [np.hypot(x, y) < 6, np.abs(y) < 3, (np.maximum(abs(x), abs(y)) < 7) & (np.maximum(abs(x), abs(y)) > 4)]
    pixels = np.where(inside[shape][..., None], rgb[colour], 70) + rng.normal(0, 45, (20, 20, 3))
    buffer = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(buffer, format="PNG")
    return buffer.getvalue()


@pytest.fixture(scope="session")
def toy_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """18 classes (6 colours x 3 shapes) as base 8, val 5, novel 5; 14 pictures each, in Parquet."""
    folder = tmp_path_factory.mktemp("toy")
    rng = np.random.default_rng(0)
    pairs = [(c, s) for s in range(3) for c in range(6)]
    order = rng.permutation(len(pairs))
    for split, part in {"base": order[:8], "val": order[8:13], "novel": order[13:]}.items():
        rows = [(pairs[i], toy_picture(pairs[i][0], pairs[i][1], rng)) for i in part for _ in range(14)]
        table = {
            "image": [{"bytes": data, "path": ""} for _, data in rows],
            "class": [f"{COLOURS[c]} {SHAPES[s]}" for (c, s), _ in rows],
        }
        pq.write_table(pa.table(table), folder / f"{split}.parquet")
    return folder


@pytest.fixture(scope="session")
def toy_classes(toy_data: Path) -> list[str]:
    return sorted({c for f in toy_data.glob("*.parquet") for c in pq.read_table(f)["class"].to_pylist()})


@pytest.fixture(scope="session")
def tiny_text_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random one-layer BERT in the sentence-transformers form: real code path, no download."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("text") / "tiny"
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "of", "photo", "thing", "is", "it", *COLOURS, *SHAPES]
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(words))
    BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    BertModel(BertConfig(vocab_size=len(words), **shape)).eval().save_pretrained(folder)
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_mean_tokens": true}')
    return folder


@pytest.fixture(scope="session")
def tiny_config(toy_data: Path, tiny_text_encoder: Path) -> Callable[..., TrainConfig]:
    """Makes the config of the smallest training on the toy data, one setting a grid; sections are merged into it."""

    grids = ("feature_powers", "shrinkages", "spread_factors", "lambdas", "prior_shrinkages")
    values = {
        "device": "cpu",
        "data": {"path": str(toy_data), "size": 20},
        "encoder": {
            "backbone": "resnet12-tiny",
            "train_size": 16,
            "test_size": 16,
            "epochs": 2,
            "batch_size": 16,
            "precision": "fp32",
        },
        "text": {"encoder": str(tiny_text_encoder)},
        "ridge": {"episodes": 20, "lambdas": [1.0], "shrinkages": [1.0], "alpha_step": 0.5},
        "vsbird": {"seeds": 1, "steps": 2, "name_shares": [0.0], **{grid: [1.0] for grid in grids}},
        "baselines": {"names": ["simpleshot"], "episodes": 20},
        "episodes": {"shots": [1], "queries": 5},
    }

    def make(**sections):
        merged = {key: values.get(key, {}) | section for key, section in sections.items()}
        return TrainConfig.model_validate(values | merged)

    return make


@pytest.fixture(scope="session")
def features_of_toys(tmp_path_factory: pytest.TempPathFactory, toy_classes: list[str]) -> Path:
    """Class centres that follow the class's colour and shape, 12 pictures each, as three Parquet files."""
    rng = np.random.default_rng(0)
    words = {w: rng.normal(size=16) for c in toy_classes for w in c.split()}
    folder = tmp_path_factory.mktemp("features")
    for name, part in {"base": toy_classes[:8], "val": toy_classes[8:13], "novel": toy_classes[13:]}.items():
        rows = [(c, sum(words[w] for w in c.split()) + rng.normal(size=16)) for c in part for _ in range(12)]
        values = pa.array([v.tolist() for _, v in rows], pa.list_(pa.float32()))
        table = {"class": [c for c, _ in rows], "feature": values, "sha256": [f"{name}{i}" for i in range(len(rows))]}
        pq.write_table(pa.table(table), folder / f"{name}.features.parquet")
    return folder


@pytest.fixture
def features(features_of_toys: Path, tmp_path: Path) -> Path:
    """The same for this test alone."""
    return shutil.copytree(features_of_toys, tmp_path / "features")


@pytest.fixture(scope="session")
def descriptor_row() -> Callable[..., DescriptorRow]:
    """Makes a row of the contract from a class name and a text."""
    from syntrans.contract.rows import DescriptorRow, descriptor_id

    def make(name: str, text: str, *, kept: bool = True, class_id: str | None = None, **more) -> DescriptorRow:
        identifier = class_id or name.replace(" ", "-")
        rest = {"stage": None, "reason": None, "weight": 1.0} if kept else {"stage": "ground", "reason": "not_seen"}
        return DescriptorRow(
            class_id=identifier,
            class_name=name,
            descriptor_id=descriptor_id(identifier, text),
            text=text,
            facet="other",
            authors=[],
            kept=kept,
            **{**rest, **more},
        )

    return make


@pytest.fixture(scope="session")
def write_descriptors_of_toys(
    toy_classes: list[str], descriptor_row: Callable[..., DescriptorRow]
) -> Callable[..., Path]:
    """Writes a descriptor file of all toy classes into a folder; returns its path."""
    from syntrans.contract.rows import FileMetadata
    from syntrans.contract.writing import write_descriptors

    def write(folder: Path, images_seen=(), rejected: bool = True) -> Path:
        rows = []
        for name in toy_classes:
            colour, shape = name.split()
            rows += [descriptor_row(name, f"it is {colour}"), descriptor_row(name, f"it is a {shape}")]
            if rejected:
                rows.append(descriptor_row(name, "it is a thing", kept=False))
        path = folder / "descriptors.parquet"
        meta = FileMetadata(run_id="toy", class_list_sha256="0" * 64, prompt_sha256={}, images_seen=list(images_seen))
        write_descriptors(path, rows, meta)
        return path

    return write


@pytest.fixture
def write_toy_descriptors(write_descriptors_of_toys: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """Writes them into this test's folder."""
    return partial(write_descriptors_of_toys, tmp_path)


@pytest.fixture(scope="session")
def write_imagined_of() -> Callable[..., Path]:
    """Writes a file of imagined pictures into a folder, from pictures (PNG) by class; returns its path."""
    from syntrans.contract.imagined import IMAGINED, ImaginedRow, write_imagined

    def write(folder: Path, shown: dict[str, list[bytes]], **told: str) -> Path:
        latent = np.zeros((1, 2, 2), np.float16)
        rows = [
            ImaginedRow(
                class_id=name, class_name=name, picture_id=f"{name} {i}", prompt="p", descriptor_ids=(), seed=i,
                image=image, latent=latent, similarity=0.5, margin=0.1, neighbour="x", reason=None,
                model="m", revision="r",
            )
            for name, images in shown.items() for i, image in enumerate(images)
        ]  # fmt: skip
        write_imagined(folder / IMAGINED, rows, told)
        return folder / IMAGINED

    return write


@pytest.fixture
def benchmark() -> Callable[[str], Any]:
    """Imports one of the files of benchmarks/ by its room and its name."""
    return lambda name: import_module(f"benchmarks.{name}")


@pytest.fixture
def trained_on_features(
    features: Path, tiny_config: Callable[..., TrainConfig], write_toy_descriptors: Callable[..., Path], tmp_path: Path
) -> Path:
    """A training on toy features with two descriptors per class."""
    from syntrans_training.pipeline.train import train

    config = tiny_config(data={"path": str(features)}, encoder={"method": "precomputed"}, vsbird={"controls": False})
    out = tmp_path / "artifacts" / "train" / "toy"
    train(config, out=out, descriptors=write_toy_descriptors(rejected=False))
    return out
