"""The published class splits that ship with the package."""

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from syntrans.errors import UsageError
from syntrans.images.class_lists import read_classes
from syntrans_training.data import class_split
from syntrans_training.data.class_split import PUBLISHED, published
from syntrans_training.data.datasets import DATASETS

FOLDER = Path(class_split.__file__).parent / "splits"
COUNTS = {
    "mini": (64, 16, 20),
    "tiered": (351, 97, 160),
    "cifar-fs": (64, 16, 20),
    "fc100": (60, 20, 20),
    "cub": (100, 50, 50),
    "cub-feat": (100, 50, 50),
    "cub-easyfsl": (140, 30, 30),
}


def test_every_split_has_its_checksum() -> None:
    lines = (FOLDER / "SHA256SUMS").read_text().splitlines()
    sums = {name: digest for digest, name in (line.split() for line in lines)}
    assert sums == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in FOLDER.glob("*.json")}


@pytest.mark.parametrize("name", COUNTS)
def test_a_split_has_the_published_number_of_classes_and_none_twice(name) -> None:
    parts = published(name).parts
    assert tuple(len(parts[part]) for part in ("base", "val", "novel")) == COUNTS[name]
    assert len(published(name).keys) == sum(COUNTS[name])


def test_data_sets_and_splits_are_the_same_names() -> None:
    assert set(DATASETS) == set(PUBLISHED) == set(COUNTS)


@pytest.mark.parametrize("name", ["mini", "tiered", "cifar-fs", "fc100", "cub"])
def test_a_split_has_the_classes_of_the_built_in_list(name: str) -> None:
    names = {n for part in published(name).parts.values() for n in part.values()}
    assert names == {entry.name for entry in read_classes(name)}


def test_closerlooks_split_follows_its_rule() -> None:
    parts = published("cub").parts
    for part, rest in (("base", (0, 2)), ("val", (1,)), ("novel", (3,))):
        assert {(int(key[:3]) - 1) % 4 for key in parts[part]} == set(rest)


def test_the_three_splits_of_cub_divide_the_same_folders_differently() -> None:
    splits = [published(name) for name in ("cub", "cub-feat", "cub-easyfsl")]
    assert splits[0].keys == splits[1].keys == splits[2].keys
    assert {int(key[:3]) for key in splits[0].keys} == set(range(1, 201))
    assert len({frozenset(split.parts["novel"]) for split in splits}) == 3


def test_fc100_keeps_super_classes_apart(shared_data: Path) -> None:
    groups = json.loads((shared_data / "splits" / "cifar100_taxonomy.json").read_text())["taxonomy"]
    for members in groups.values():
        parts = {part for part, keys in published("fc100").parts.items() if set(keys) & set(members)}
        assert len(parts) == 1


def test_the_script_writes_the_same_files(shared_data: Path, repository: Path, tmp_path: Path) -> None:
    script = tmp_path / "scripts" / "make_splits.py"
    script.parent.mkdir()
    script.write_bytes((repository / "scripts" / "make_splits.py").read_bytes())
    (tmp_path / "training" / "syntrans_training" / "data").mkdir(parents=True)
    subprocess.run([sys.executable, script, shared_data / "splits"], check=True, capture_output=True)
    folder = tmp_path / "training" / "syntrans_training" / "data" / "splits"
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == {p.name: p.read_bytes() for p in FOLDER.iterdir()}


def test_an_unknown_split_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match=re.escape(", ".join(PUBLISHED))):
        published("mni")
