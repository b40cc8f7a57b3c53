"""Which folders are classes: parts, places of classes, and classes that are called like them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from syntrans.errors import InputError
from syntrans.images.image_set import class_keys, open_images

Png = Callable[[int], bytes]
PARTS = ("train", "base", "val", "valid", "validation", "test", "novel")


@pytest.fixture
def put(tmp_path: Path, png: Png) -> Callable[..., Path]:
    """Makes pictures at these paths below a folder, all different."""

    def make(*paths: str) -> Path:
        for number, path in enumerate(paths):
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_bytes(png(number))
        return tmp_path

    return make


@pytest.mark.parametrize("part", [*PARTS, "images"])
def test_a_folder_of_class_folders_called_like_a_part_is_no_class(part: str, put: Callable[..., Path]) -> None:
    assert class_keys(put(f"{part}/ant/1.png", f"{part}/bee/1.png")) == ["ant", "bee"]


@pytest.mark.parametrize("name", [*PARTS, "images"])
def test_a_folder_of_pictures_called_like_a_part_is_a_class(name: str, put: Callable[..., Path]) -> None:
    assert class_keys(put(f"{name}/1.png", "bee/1.png")) == sorted([name, "bee"])


@pytest.mark.parametrize("name", ["train", "images"])
def test_a_folder_that_the_list_names_is_a_class_whatever_lies_in_it(name: str, put: Callable[..., Path]) -> None:
    root = put(f"{name}/1.png", f"{name}/more/2.png", "bee/1.png")
    assert list(open_images(root)) == ["bee", "more"]
    images = open_images(root, named={name, "bee"})
    assert {key: len(refs) for key, refs in images.items()} == {"bee": 1, name: 2}


def test_a_part_stays_one_where_a_class_in_it_has_its_name(put: Callable[..., Path]) -> None:
    root = put("train/train/1.png", "train/bus/1.png", "val/tram/1.png")
    assert list(open_images(root, named={"train", "bus", "tram"})) == ["bus", "train", "tram"]


def test_a_class_in_two_parts_is_taken_from_the_first_and_the_other_is_said(put: Callable[..., Path]) -> None:
    images = open_images(put("train/ant/1.png", "train/ant/2.png", "val/ant/1.png"))
    assert len(images["ant"]) == 2
    assert str(images.passed_over) == "passed over: 1 class folders that are in two places (val/ant)"


def test_a_class_of_a_table_and_of_a_folder_is_taken_from_the_table_and_the_folder_is_said(
    put: Callable[..., Path], png: Png
) -> None:
    root = put("ant/1.png", "ant/2.png", "bee/1.png")
    pq.write_table(pa.table({"image": [png(9)], "label": ["ant"]}), root / "more.parquet")
    images = open_images(root)
    assert {key: len(refs) for key, refs in images.items()} == {"ant": 1, "bee": 1}
    assert str(images.passed_over) == "passed over: 1 classes that are in two places (ant)"


def test_a_part_is_opened_alone(put: Callable[..., Path]) -> None:
    root = put("train/ant/1.png", "validation/bee/1.png", "test/cat/1.png")
    assert [list(open_images(root, part=part)) for part in ("base", "val", "novel")] == [["ant"], ["bee"], ["cat"]]
    with pytest.raises(InputError, match="has no part 'novel'; it has none"):
        open_images(root / "train", part="novel")


def test_a_hub_snapshot_is_read_with_its_shards_as_links_into_a_store(tmp_path: Path, png: Png) -> None:
    (tmp_path / "blobs").mkdir()
    (tmp_path / "snapshots" / "ab12" / "data").mkdir(parents=True)
    for number, key in enumerate(("ant", "bee")):
        pq.write_table(pa.table({"image": [png(number)], "label": [key]}), tmp_path / "blobs" / key)
        name = f"train-{number:05d}-of-00002.parquet"
        (tmp_path / "snapshots" / "ab12" / "data" / name).symlink_to(tmp_path / "blobs" / key)
    assert list(open_images(tmp_path / "snapshots" / "ab12")) == ["ant", "bee"]


def test_hidden_files_and_features_are_no_tables_of_pictures(put: Callable[..., Path]) -> None:
    root = put("ant/1.png", "ant/._1.png")
    for name in (".a.parquet", "._b.parquet", "base.features.parquet"):
        (root / name).write_bytes(b"no table")
    assert list(open_images(root)) == ["ant"]


def test_a_folder_without_a_picture_is_no_class_and_is_said(put: Callable[..., Path]) -> None:
    root = put("ant/1.png")
    (root / "notes").mkdir()
    (root / "notes" / "a.txt").write_text("x")
    images = open_images(root)
    (root / "bee").symlink_to("nowhere")
    images = open_images(root)
    assert list(images) == ["ant"]
    assert str(images.passed_over) == "passed over: 1 folders without pictures (notes), 1 broken links (bee)"


def test_pictures_without_class_folders_say_what_to_do(put: Callable[..., Path]) -> None:
    with pytest.raises(InputError, match="2 pictures lie in it, in no class.*; give one folder a class"):
        open_images(put("1.png", "2.png"))
