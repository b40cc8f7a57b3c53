"""No two classes ever share a row or a picture, whatever their names: from the class list to the evaluation."""

import hashlib
import io
import json
import tempfile
import unicodedata
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from lookalikes import LOOKALIKES, collide, kept_apart, name_lists, named
from PIL import Image

from syntrans.classes.entries import ClassEntry, slug
from syntrans.classes.lint import require_clean
from syntrans.contract.reading import read_descriptors, read_metadata
from syntrans.descriptors.importers import import_descriptions
from syntrans.errors import InputError
from syntrans.images.class_lists import read_classes
from syntrans.images.folders import FilePool
from syntrans.images.image_set import ImageRef, match_classes, open_images
from syntrans.progress import Silent
from syntrans_mining.config import MiningConfig
from syntrans_mining.run.mine import mine
from syntrans_training.config import DataConfig, EvaluateConfig, TrainConfig
from syntrans_training.data import load_splits
from syntrans_training.data.class_split import read_split
from syntrans_training.data.load_splits import open_data
from syntrans_training.evaluation.evaluate import evaluate
from syntrans_training.evaluation.evaluated_split import open_evaluated_split
from syntrans_training.evaluation.novel_pictures import novel_pictures
from syntrans_training.evaluation.trained_run import read_run
from syntrans_training.pipeline.train import train
from syntrans_training.text.class_vectors import read_knowledge

SPELLINGS = [str, slug, str.upper, partial(unicodedata.normalize, "NFD"), lambda name: name.replace(" ", "_")]
PARTS = ("base", "val", "novel")


def as_list(names, folder):
    path = Path(folder) / "classes.json"
    path.write_text(json.dumps(names))
    return read_classes(path)


def refs(owner, n=2):
    return [ImageRef(owner, f"{owner}-{number}", bytes) for number in range(n)]


def tried(function, *arguments):
    """What a function gives, and what it says if it refuses."""
    try:
        return function(*arguments), ""
    except InputError as error:
        return None, str(error)


def refused_for_cause(text, folders, entries):
    """Whether a message names two folders that fit one class, or a class that no folder fits."""
    if "have no picture" in text:
        fitting = set(map(slug, folders))
        return any(entry.name in text and entry.id not in fitting for entry in entries)
    return any(slug(one) == slug(other) for one, other in combinations(named(text, folders), 2))


many = settings(max_examples=500, suppress_health_check=list(HealthCheck))


@pytest.mark.slow
@many
@given(names=name_lists().filter(bool), data=st.data())
def test_lists_folders_and_splits_give_every_class_its_own_pictures_or_an_error_that_names_two(names, data) -> None:
    with tempfile.TemporaryDirectory() as folder:
        entries = as_list(names, folder)
    assert [entry.name for entry in entries] == names
    _, error = tried(require_clean, entries)
    assert any(collide(*pair) for pair in combinations(named(error, names) if error else names, 2)) == bool(error)
    entries = kept_apart(entries)
    assert len({entry.id for entry in entries}) == len(entries)
    folders = {data.draw(st.sampled_from(SPELLINGS))(entry.name): entry.id for entry in reversed(entries)}
    matched, error = tried(match_classes, {key: refs(owner) for key, owner in folders.items()}, entries)
    if error:
        assert refused_for_cause(error, folders, entries), error
        return
    assert {class_id: {ref.class_key for ref in own} for class_id, own in matched.items()} == {
        entry.id: {entry.id} for entry in entries
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "split.json"
        path.write_text(json.dumps({part: [e.name for e in entries[n::3]] for n, part in enumerate(PARTS)}))
        parts = read_split(path).divide(FilePool(dict.fromkeys(folders, ())))
    divided = {folders[key]: name for part in parts.values() for key, name in part.names.items()}
    assert divided == {entry.id: entry.name for entry in entries}


@pytest.mark.parametrize("examples", [25, pytest.param(500, marks=pytest.mark.slow)])
def test_imports_and_training_give_every_class_its_own_descriptions_and_features(examples: int) -> None:
    @settings(many, max_examples=examples)
    @given(names=name_lists(size=20).filter(bool), listed=st.booleans())
    def walk(names, listed) -> None:
        with tempfile.TemporaryDirectory() as folder:
            entries = kept_apart(as_list(names, folder))
            assume(len(entries) > 1)
            source = Path(folder) / "cupl.json"
            source.write_text(json.dumps({unicodedata.normalize("NFD", e.name): [f"text of {e.id}."] for e in entries}))
            chosen = [ClassEntry(f"n{n:08}", entry.name) for n, entry in enumerate(entries)] if listed else None
            path = import_descriptions([source], Path(folder), chosen).descriptors
            knowledge = read_knowledge(path, [entry.name for entry in entries])
            shas = {entry.id: [f"{n}a", f"{n}b"] for n, entry in enumerate(entries)}
            features(folder, {"novel": entries}, shas)
            split = open_data(DataConfig(path=folder), ("novel",))["novel"]
        said = {name: [row.text for row in rows] for name, rows in knowledge.rows.items()}
        assert said == {entry.name: [f"text of {entry.id}."] for entry in entries}
        assert pictures_of(split) == {entry.name: set(shas[entry.id]) for entry in entries}

    walk()


def picture(number):
    pixels = np.random.default_rng(number).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def photos(root, entries):
    """Folders as macOS would name them, with six pictures each; sha256 of the pictures by class id."""
    shas = {}
    for n, entry in enumerate(entries):
        folder = root / unicodedata.normalize("NFD", entry.name)
        folder.mkdir(parents=True)
        for i in range(6):
            (folder / f"{i}.png").write_bytes(picture(10 * n + i))
        shas[entry.id] = [hashlib.sha256(picture(10 * n + i)).hexdigest() for i in range(6)]
    return shas


def in_parquet(entries, root):
    """One file, for not every name can be a folder's, with four pictures a class; as `photos`, and the file."""
    cells = [(entry, picture(10 * n + i)) for n, entry in enumerate(entries) for i in range(4)]
    shas = {entry.id: [hashlib.sha256(data).hexdigest() for e, data in cells if e == entry] for entry in entries}
    labels = [unicodedata.normalize("NFD", entry.name) for entry, _ in cells]
    pq.write_table(pa.table({"image": [data for _, data in cells], "class": labels}), root / "photos.parquet")
    return shas, root / "photos.parquet"


def mined(entries, root, out):
    llms = [{"name": name, "path": name} for name in ("ann", "bob")]
    looks = {
        "propose": {"samples": 1},
        "lint": {"ambiguous": "first"},
        "filter": {"images": 2},
        "ground": {"images": 2, "threshold": 0.3},
    }
    eyes = {"vlm": {"name": "eye", "path": "eye"}, "clip": {"path": "fake"}}
    config = MiningConfig.model_validate({"llms": llms, **eyes, "engine": {"kind": "fake", "workers": 0}, **looks})
    return mine(config, entries, open_images(root), out, progress=Silent()).descriptors


def features(root, parts, shas) -> None:
    """Class by class, as training reads them."""
    rng = np.random.default_rng(0)
    for part, own in parts.items():
        rows = [(unicodedata.normalize("NFD", e.name), sha) for e in own for sha in shas[e.id]]
        values = pa.array(rng.normal(size=(len(rows), 8)).tolist(), pa.list_(pa.float32()))
        table = {"class": [name for name, _ in rows], "feature": values, "sha256": [sha for _, sha in rows]}
        pq.write_table(pa.table(table), Path(root) / f"{part}.features.parquet")


def by_name(entries, shas):
    """Hashes of pictures by class, as they should be."""
    return {entry.name: set(shas[entry.id]) for entry in entries}


def pictures_of(split):
    """Hashes of pictures by class, as they were read."""
    rows = [np.flatnonzero(split.labels == number) for number in range(len(split.classes))]
    return {name: {split.sha256[row] for row in own} for name, own in zip(split.classes, rows, strict=True)}


def own_rows_and_pictures(path, shas) -> None:
    """That mining gave every class rows, and showed its own pictures for them, and those of its contrast."""
    rows, _ = read_descriptors(path)
    assert {row.class_id for row in rows} == set(shas)
    for row in (row for row in rows if row.grounding):
        own, other = shas[row.class_id], shas.get(row.grounding.contrast_class, [])
        assert set(row.grounding.images) & set(own)
        assert set(row.grounding.images) <= {*own, *other}


@pytest.fixture
def small(tiny_text_encoder: Path) -> dict[str, Any]:
    one = {key: [1.0] for key in ("feature_powers", "shrinkages", "spread_factors", "lambdas", "prior_shrinkages")}
    return {
        "device": "cpu",
        "encoder": {"method": "precomputed"},
        "text": {"encoder": str(tiny_text_encoder)},
        "ridge": {"episodes": 4, "shrinkages": [1.0], "lambdas": [1.0], "alpha_step": 1.0},
        "vsbird": {"seeds": 1, "steps": 1, **one},
        "baselines": {"names": ["simpleshot"], "episodes": 4},
        "episodes": {"shots": [1], "queries": 2, "episodes": 4},
    }


@pytest.mark.slow
def test_names_that_look_alike_keep_their_rows_and_pictures_from_mining_to_evaluation(
    tmp_path: Path, small: dict[str, Any]
) -> None:
    names = [name for name in LOOKALIKES if "/" not in name]
    entries = kept_apart(as_list(names, tmp_path))
    shas = photos(tmp_path / "photos", entries)
    path = mined(entries, tmp_path / "photos", tmp_path / "mine")
    own_rows_and_pictures(path, shas)

    parts = dict(zip(PARTS, (entries[:8], entries[8:13], entries[13:]), strict=True))
    features(tmp_path, parts, shas)
    config = TrainConfig.model_validate({**small, "data": {"path": str(tmp_path)}})
    for name, split in load_splits(str(tmp_path), size=8).items():
        assert pictures_of(split) == by_name(parts[name], shas)
    knowledge = read_knowledge(path, [entry.name for entry in entries])
    assert {name: {row.class_id for row in own} for name, own in knowledge.rows.items()} == {
        entry.name: {entry.id} for entry in entries
    }
    run = train(config, out=tmp_path / "run", descriptors=path)
    evaluation = EvaluateConfig.model_validate({"device": "cpu", "episodes": small["episodes"]})
    summary = evaluate(run.folder, evaluation, out=tmp_path / "evaluate")
    trained = [name for part in run.report["data"].values() for name in part["names"]]
    assert sorted(trained) == sorted(entry.name for entry in entries[:13])
    assert summary["data"]["classes"] == len(entries) - 13
    seen = read_metadata(path).images_seen
    assert summary["data"]["seen_by_mining"] == sum(sha in seen for e in entries[13:] for sha in shas[e.id])


@pytest.fixture
def trained(tmp_path: Path, small: dict[str, Any]):
    """A training whose classes have names that no drawn list has."""
    entries = [ClassEntry(f"plain-{n}", f"plain {n}") for n in range(13)]
    shas = {entry.id: [f"{entry.id} {i}" for i in range(6)] for entry in entries}
    features(tmp_path, {"base": entries[:8], "val": entries[8:]}, shas)
    (tmp_path / "told.json").write_text(json.dumps({entry.name: ["a thing"] for entry in entries}))
    path = import_descriptions([tmp_path / "told.json"], tmp_path / "import", None).descriptors
    config = TrainConfig.model_validate({**small, "data": {"path": str(tmp_path)}})
    return read_run(train(config, out=tmp_path / "run", descriptors=path).folder)


@pytest.mark.slow
def test_mining_training_and_evaluation_give_every_class_of_any_list_its_own_rows_and_pictures(trained) -> None:
    @settings(many, max_examples=60)
    @given(names=name_lists().filter(bool))
    def walk(names) -> None:
        with tempfile.TemporaryDirectory() as folder:
            entries = kept_apart(as_list(names, folder))
            assume(len(entries) > 1)
            shas, table = in_parquet(entries, Path(folder))
            path = mined(entries, table, Path(folder) / "mine")
            own_rows_and_pictures(path, shas)
            split = Path(folder) / "split.json"
            split.write_text(json.dumps({"base": [entry.name for entry in entries], "val": [], "novel": []}))
            data = DataConfig(path=str(table), split_file=str(split), size=8)
            assert pictures_of(open_data(data, ("base",))["base"]) == by_name(entries, shas)

            features(folder, {"novel": entries}, shas)
            pictures = novel_pictures(trained.pictures, folder)
            subject = open_evaluated_split(trained, device="cpu", descriptors=path, views=False, data=pictures)
            assert pictures_of(subject.split) == by_name(entries, shas)
            assert set(np.array(subject.split.sha256)[subject.seen]) == set(read_metadata(path).images_seen)

    walk()
