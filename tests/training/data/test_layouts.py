"""Every layout means the same in every command: the same classes, and of each the same pictures."""

import json
from collections import defaultdict
from multiprocessing.reduction import ForkingPickler

import pytest
from layouts import CLASSES, COMMANDS, DOCS, LAYOUTS, PARTS, written

from syntrans.classes.entries import ClassEntry
from syntrans.images.image_set import decode, match_classes
from syntrans_mining.config import MiningConfig
from syntrans_mining.run.pictures import choose_pictures, open_pictures
from syntrans_training.config import DataConfig
from syntrans_training.data.check import check
from syntrans_training.data.load_splits import open_data


@pytest.fixture
def data(request, tmp_path, monkeypatch):
    """A layout and the config of its data."""
    layout = request.param
    if "hf://" in layout.title:
        datasets = pytest.importorskip("datasets")
        monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "hub"))
        datasets.disable_progress_bars()
    root = tmp_path / "data"
    root.mkdir()
    split = tmp_path / "split.json"
    split.write_text(json.dumps(PARTS))
    image, label = layout.columns or (None, None)
    return layout, DataConfig(
        path=layout.make(root),
        split_file=None if layout.divided else str(split),
        image_column=image,
        label_column=label,
        size=16,
    )


def of_mining(layout, config, copies):
    image, label = layout.columns or (None, None)
    mining = MiningConfig.model_validate(
        {
            "llms": [{"name": "a", "path": "a"}],
            "clip": {"path": "c"},
            "images": {"image_column": image, "label_column": label},
        }
    )
    entries = [ClassEntry(name, name) for name in CLASSES]
    matched = match_classes(open_pictures(config.path, mining, entries), entries)
    chosen = choose_pictures(matched, per_class=3, seed=0, copies=copies)
    for picture in (picture for pictures in chosen.values() for picture in pictures):
        assert len(ForkingPickler.dumps(picture)) < 1000  # as it goes to the workers
        assert decode(picture.data).size == (32, 32)
    return {name: {picture.sha256 for picture in pictures} for name, pictures in chosen.items()}


def of_training(config, *parts):
    found = defaultdict(set)
    for split in open_data(config, parts).values():
        for label, sha256 in zip(split.labels, split.sha256, strict=True):
            found[split.classes[label]].add(sha256)
    return dict(found)


@pytest.mark.parametrize("data", LAYOUTS, ids=lambda layout: layout.title, indirect=True)
def test_mine_train_evaluate_and_the_check_find_the_same_pictures_of_the_same_classes(data, tmp_path):
    layout, config = data
    mined = of_mining(layout, config, tmp_path / "copies")
    assert {name: len(found) for name, found in mined.items()} == dict.fromkeys(CLASSES, 3)
    assert of_training(config, "base", "val") | of_training(config, "novel") == mined
    report = check(config)
    assert report["errors"] == 0
    assert {name: (part["classes"], part["images"]) for name, part in report["parts"].items()} == dict.fromkeys(
        PARTS, (2, 6)
    )


def test_the_table_in_the_docs_is_that_of_these_layouts():
    page = DOCS.read_text()
    assert all(f"`{command}`" in page for command in COMMANDS)
    assert page == written(page), "run python tests/training/layouts.py"
