"""Parquet files of pictures as others write them: columns, types, paths in place of bytes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from syntrans.errors import InputError
from syntrans.images.columns import Columns
from syntrans.images.image_set import class_keys, open_images

Png = Callable[[int], bytes]
IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def write(path: Path, **columns: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)
    return path


@pytest.fixture
def pair(png: Png) -> list[bytes]:
    return [png(0), png(1)]


TEXTS = [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())]
IMAGES = [pa.binary(), pa.large_binary(), pa.binary_view(), IMAGE, pa.struct([("bytes", pa.binary_view())])]


@pytest.mark.parametrize("text", TEXTS, ids=str)
@pytest.mark.parametrize("image", IMAGES, ids=str)
def test_every_type_that_tables_have_for_bytes_and_text_is_read(
    text: pa.DataType, image: pa.DataType, tmp_path: Path, pair: list[bytes]
) -> None:
    cells = [{"bytes": data} for data in pair] if pa.types.is_struct(image) else pair
    labels = pa.array(["wolf", "lamb"])
    column = labels.dictionary_encode() if pa.types.is_dictionary(text) else labels.cast(text)
    images = open_images(write(tmp_path / "a.parquet", image=pa.array(cells, image), label=column))
    assert [images[key][0].load() for key in ("wolf", "lamb")] == pair


def test_other_columns_are_named_by_keys_that_the_message_says(tmp_path: Path, pair: list[bytes]) -> None:
    path = write(tmp_path / "d.parquet", photo=pa.array(pair, pa.large_binary()), species=["wolf", "lamb"])
    rule = r"--set images.image_column=COLUMN --set images.label_column=COLUMN"
    with pytest.raises(InputError, match=rule):
        open_images(path, columns=Columns(section="images"))
    images = open_images(path, columns=Columns("photo", "species"))
    assert images["lamb"][0].load() == pair[1]


def test_two_columns_that_divide_the_pictures_differently_are_a_choice(tmp_path: Path, pair: list[bytes]) -> None:
    path = write(tmp_path / "d.parquet", image=pair, **{"class": ["thing", "thing"], "label": ["wolf", "lamb"]})
    with pytest.raises(InputError, match="'class' and 'label'.* choose one with --set data.label_column=label"):
        open_images(path)
    assert class_keys(path, Columns(label="label")) == ["lamb", "wolf"]
    assert class_keys(path, Columns(label="class")) == ["thing"]


def test_two_columns_that_say_the_same_need_no_choice(tmp_path: Path, pair: list[bytes]) -> None:
    path = write(tmp_path / "d.parquet", image=pair, class_name=["wolf", "lamb"], class_id=["n2", "n1"], label=[7, 8])
    assert class_keys(path) == ["lamb", "wolf"]


def paths_only(folder: Path, paths: list[str | None]) -> Path:
    cells = pa.array([{"bytes": None, "path": path} for path in paths], IMAGE)
    return write(folder / "d.parquet", image=cells, label=["wolf"] * len(paths))


def test_a_path_without_bytes_is_the_file_there(tmp_path: Path, pair: list[bytes]) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a b.JPG").write_bytes(pair[0])
    ref = open_images(paths_only(tmp_path, ["photos/a b.JPG"]))["wolf"][0]
    assert (ref.load(), ref.image().size) == (pair[0], (8, 8))


@pytest.mark.parametrize("path", ["../secret.png", "/etc/passwd", "inside/../../secret.png", "link.png"])
def test_a_path_never_leads_out_of_the_folder_of_the_file(path: str, tmp_path: Path, pair: list[bytes]) -> None:
    (tmp_path / "secret.png").write_bytes(pair[0])
    (tmp_path / "data" / "inside").mkdir(parents=True)
    (tmp_path / "data" / "link.png").symlink_to(tmp_path / "secret.png")
    ref = open_images(paths_only(tmp_path / "data", [path]))["wolf"][0]
    with pytest.raises(InputError, match=r"row 0 has no bytes and the path .*; only files below .*data are read"):
        ref.image()


def test_paths_to_nothing_say_so(tmp_path: Path) -> None:
    missing, empty = open_images(paths_only(tmp_path, ["photos/a.JPG", None]))["wolf"]
    with pytest.raises(InputError, match="row 0 has no bytes, and there is no file .*photos/a.JPG; put the pictures"):
        missing.image()
    with pytest.raises(InputError, match="row 1 is not a readable picture"):
        empty.image()


def test_a_table_without_a_class_will_do_where_none_is_asked_for(tmp_path: Path, pair: list[bytes]) -> None:
    path = write(tmp_path / "d.parquet", image=pair)
    with pytest.raises(InputError, match="needs 'image' and 'class'"):
        open_images(path)
    assert [ref.load() for ref in open_images(path, by_class=False).refs] == pair


def test_lists_of_numbers_are_no_pictures(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="it must be struct<bytes: binary, path: string>, or binary"):
        open_images(write(tmp_path / "d.parquet", image=[[1, 2]], label=["wolf"]))
