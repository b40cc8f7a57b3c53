"""No two classes ever share a row or a picture, whatever their names: from the class list to the evaluation."""

import hashlib
import io
import json
import tempfile
import unicodedata
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from syntrans.classes.entries import ClassEntry, composed, is_unicode, lint, read_classes, require_clean, slug
from syntrans.contract.reading import read_descriptors
from syntrans.descriptors.importers import import_descriptions
from syntrans.errors import InputError
from syntrans.images.folders import FilePool
from syntrans.images.image_set import ImageRef, match_classes, open_images
from syntrans.progress import Silent
from syntrans_mining.config import MiningConfig
from syntrans_mining.run.mine import mine
from syntrans_training.config import EvaluateConfig, TrainConfig
from syntrans_training.data import load_splits
from syntrans_training.data.class_split import read_split
from syntrans_training.evaluation.evaluate import evaluate
from syntrans_training.pipeline.train import train
from syntrans_training.text.class_vectors import read_knowledge

LOOKALIKES = [
    *("Bär", "Bar", "bar", "C", "C++", "C#", "dưa", "dừa", "dứa", "ハス", "バス", "パス", "Maße", "Masse", "ﬁn", "fin"),
    *("की", "का", "कि", "น้ำ", "นำ", "ปา", "ป่า", "🦊", "🐻", "👩\u200d🚀", "👩🚀", "İ", "I", "ı", "i", "Σ", "ς"),
    *("½", "1/2", "human brain", "Human_Brain", "human-brain", "Å", "A", "ё", "е", "שׁ", "ש", "عَلَم", "علم", "x²", "x2"),
    *("St. B", "St B", "\N{WAVING BLACK FLAG}\U000e0067\U000e0062\U000e007f", "\N{WAVING BLACK FLAG}"),
]
TWINS = [
    *(str.upper, str.lower, str.swapcase, slug, partial(unicodedata.normalize, "NFD")),
    *(partial(unicodedata.normalize, "NFKC"), "{}+".format, "{}#".format, "{}́".format, "{}゚".format),
    *("{}\u200d".format, "{}.".format, " {}".format, "the {}".format, lambda name: name.replace(" ", "_")),
]
SPELLINGS = [str, slug, str.upper, partial(unicodedata.normalize, "NFD"), lambda name: name.replace(" ", "_")]
texts = st.text(st.characters(exclude_categories=["Cs", "Cn"]), min_size=1, max_size=6)


@st.composite
def name_lists(draw, size=6):
    """Distinct names of all scripts, half of them made to look like the other half."""
    words = draw(st.lists(st.sampled_from(LOOKALIKES) | texts, min_size=2, max_size=size))
    names = [*words, *(draw(st.sampled_from(TWINS))(word) for word in words)]
    return list(dict.fromkeys(n for name in names if slug(n := composed(name)) and is_unicode(n)))


def kept_apart(entries):
    """The entries without those that a class list may not hold together."""
    while errors := [finding for finding in lint(entries) if finding.level == "error"]:
        too_many = [entry for entry in entries if entry.id in errors[0].entries][1:]
        entries = [entry for entry in entries if entry not in too_many]
    return entries


def as_list(names, folder):
    path = Path(folder) / "classes.json"
    path.write_text(json.dumps(names))
    return read_classes(path)


def refs(owner, n=2):
    return [ImageRef(owner, f"{owner}-{number}", bytes) for number in range(n)]


many = settings(max_examples=500, suppress_health_check=list(HealthCheck))


@many
@given(names=name_lists().filter(bool), data=st.data())
def test_lists_folders_and_splits_give_every_class_its_own_pictures_or_an_error_that_names_two(names, data):
    with tempfile.TemporaryDirectory() as folder:
        entries = as_list(names, folder)
    assert [entry.name for entry in entries] == names
    try:
        require_clean(entries)
    except InputError as error:
        blamed = str(error)
        assert sum(repr(name) in blamed for name in names) >= 2
    entries = kept_apart(entries)
    assert len({entry.id for entry in entries}) == len(entries)
    folders = {data.draw(st.sampled_from(SPELLINGS))(entry.name): entry.id for entry in reversed(entries)}
    try:
        matched = match_classes({key: refs(owner) for key, owner in folders.items()}, entries)
    except InputError:
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


PARTS = ("base", "val", "novel")


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(names=name_lists(size=20).filter(bool), listed=st.booleans())
def test_imports_and_training_give_every_class_its_own_descriptions(names, listed):
    with tempfile.TemporaryDirectory() as folder:
        entries = kept_apart(as_list(names, folder))
        source = Path(folder) / "cupl.json"
        source.write_text(json.dumps({unicodedata.normalize("NFD", e.name): [f"text of {e.id}."] for e in entries}))
        chosen = [ClassEntry(f"n{n:08}", entry.name) for n, entry in enumerate(entries)] if listed else None
        path = import_descriptions([source], Path(folder), chosen).descriptors
        knowledge = read_knowledge(path, [entry.name for entry in entries])
    said = {name: [row.text for row in rows] for name, rows in knowledge.rows.items()}
    assert said == {entry.name: [f"text of {entry.id}."] for entry in entries}


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


def mined(entries, root, out):
    llms = [{"name": name, "path": name} for name in ("ann", "bob")]
    looks = {"filter": {"images": 2}, "ground": {"images": 2, "threshold": 0.3}}
    eyes = {"vlm": {"name": "eye", "path": "eye"}, "clip": {"path": "fake"}}
    config = MiningConfig.model_validate({"llms": llms, **eyes, "engine": {"kind": "fake", "workers": 0}, **looks})
    return mine(config, entries, open_images(root), out, progress=Silent()).descriptors


def features(root, entries, shas):
    """Class by class, as training reads them; base 8, val 5, novel the rest."""
    rng = np.random.default_rng(0)
    for part, own in zip(PARTS, (entries[:8], entries[8:13], entries[13:]), strict=True):
        rows = [(unicodedata.normalize("NFD", e.name), sha) for e in own for sha in shas[e.id]]
        values = pa.array(rng.normal(size=(len(rows), 8)).tolist(), pa.list_(pa.float32()))
        table = {"class": [name for name, _ in rows], "feature": values, "sha256": [sha for _, sha in rows]}
        pq.write_table(pa.table(table), root / f"{part}.features.parquet")


@pytest.fixture
def small(tiny_text_encoder):
    one = {key: [1.0] for key in ("feature_powers", "shrinkages", "spread_factors", "lambdas", "prior_shrinkages")}
    return {
        "device": "cpu",
        "encoder": {"method": "precomputed"},
        "text": {"encoder": str(tiny_text_encoder)},
        "bridge": {"episodes": 4, "shrinkages": [1.0], "lambdas": [1.0], "alpha_step": 1.0},
        "vsbird": {"seeds": 1, "steps": 1, **one},
        "methods": {"names": ["simpleshot"], "episodes": 4},
        "episodes": {"shots": [1], "queries": 2, "episodes": 4},
    }


def test_names_that_look_alike_keep_their_rows_and_pictures_from_mining_to_evaluation(tmp_path, small):
    names = [name for name in LOOKALIKES if "/" not in name]
    entries = kept_apart(as_list(names, tmp_path))
    shas = photos(tmp_path / "photos", entries)
    path = mined(entries, tmp_path / "photos", tmp_path / "mine")
    rows, meta = read_descriptors(path)
    assert {row.class_id for row in rows} == set(shas)
    for row in (row for row in rows if row.grounding):
        own, other = shas[row.class_id], shas.get(row.grounding.contrast_class, [])
        assert set(row.grounding.images) & set(own)
        assert set(row.grounding.images) <= {*own, *other}

    features(tmp_path, entries, shas)
    config = TrainConfig.model_validate({**small, "data": {"path": str(tmp_path)}})
    for split in load_splits(str(tmp_path), size=8).values():
        own = [np.flatnonzero(split.labels == n) for n in range(len(split.classes))]
        of = {name: {split.sha256[i] for i in places} for name, places in zip(split.classes, own, strict=True)}
        assert of == {entry.name: set(shas[entry.id]) for entry in entries if entry.name in of}
    knowledge = read_knowledge(path, [entry.name for entry in entries])
    assert {name: {row.class_id for row in own} for name, own in knowledge.rows.items()} == {
        entry.name: {entry.id} for entry in entries
    }
    run = train(config, out=tmp_path / "run", descriptors=path)
    asked = EvaluateConfig.model_validate({"device": "cpu", "episodes": small["episodes"]})
    summary = evaluate(run.folder, asked, out=tmp_path / "evaluate")
    trained = [name for part in run.report["data"].values() for name in part["names"]]
    assert sorted(trained) == sorted(entry.name for entry in entries[:13])
    assert summary["data"]["classes"] == len(entries) - 13
    assert summary["data"]["seen_by_mining"] == sum(sha in meta.images_seen for e in entries[13:] for sha in shas[e.id])
