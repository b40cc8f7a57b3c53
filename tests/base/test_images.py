"""Pictures from folders and Parquet files, and what is said when they are broken."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from syntrans.classes import ClassEntry
from syntrans.errors import InputError
from syntrans.images import ImageRef, class_keys, decode, match_classes, open_images

Png = Callable[[int], bytes]
IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def parquet(path: Path, pictures: list[bytes | None], labels: list[str], column: str = "class") -> Path:
    images = pa.array([{"bytes": picture, "path": None} for picture in pictures], IMAGE)
    pq.write_table(pa.table({"image": images, column: labels}), path)
    return path


def test_folders_are_classes_and_files_are_their_pictures(picture_tree: Path, png: Png) -> None:
    images = open_images(picture_tree)
    assert {key: len(refs) for key, refs in images.items()} == {"goldfinch": 3, "house_finch": 3}
    first = images["goldfinch"][0]
    assert first.load() == png(0)
    assert first.sha256 == hashlib.sha256(png(0)).hexdigest()


def test_files_that_are_no_pictures_are_passed_over(picture_tree: Path) -> None:
    (picture_tree / "goldfinch" / "notes.txt").write_text("x")
    (picture_tree / ".cache").mkdir()
    assert sum(map(len, open_images(picture_tree).values())) == 6


@pytest.mark.parametrize("column", ["class", "label"])
def test_a_parquet_file_in_the_hugging_face_form_is_read(column: str, tmp_path: Path, png: Png) -> None:
    images = open_images(parquet(tmp_path / "base.parquet", [png(0), png(1)], ["wolf", "lamb"], column))
    assert list(images) == ["lamb", "wolf"]
    assert images["wolf"][0].load() == png(0)
    assert images["wolf"][0].image().size == (8, 8)


def test_a_folder_of_splits_is_read_as_one(tmp_path: Path, png: Png) -> None:
    parquet(tmp_path / "base.parquet", [png(0)], ["wolf"])
    (tmp_path / "novel" / "lamb").mkdir(parents=True)
    (tmp_path / "novel" / "lamb" / "a.png").write_bytes(png(1))
    assert sorted(open_images(tmp_path)) == ["lamb", "wolf"]


def test_class_keys_are_known_without_reading_pictures(picture_tree: Path, tmp_path: Path, png: Png) -> None:
    assert class_keys(picture_tree) == ["goldfinch", "house_finch"]
    assert class_keys(parquet(tmp_path / "a.parquet", [b"broken"], ["wolf"])) == ["wolf"]


def test_a_limit_takes_the_first_pictures_of_each_class(tmp_path: Path, png: Png) -> None:
    path = parquet(tmp_path / "a.parquet", [png(0), png(1), png(2)], ["wolf", "wolf", "lamb"])
    images = open_images(path, limit_per_class=1)
    assert [refs[0].load() for refs in images.values()] == [png(2), png(0)]
    assert [len(refs) for refs in images.values()] == [1, 1]


def test_real_photographs_are_read(shared_data: Path) -> None:
    images = open_images(shared_data / "caltech101" / "val.parquet", limit_per_class=1)
    assert len(images) == 16
    assert min(images["ant"][0].image().size) == 96


@pytest.mark.parametrize("key", ["n01", "house finch", "House_Finch", "house-finch"])
def test_classes_are_matched_by_id_name_or_slug(key: str) -> None:
    ref = ImageRef(key, "0", bytes)
    assert match_classes({key: [ref], "other": []}, [ClassEntry("n01", "house finch")]) == {"n01": [ref]}


def test_a_class_without_pictures_is_named(picture_tree: Path) -> None:
    entries = [ClassEntry("goldfinch", "goldfinch"), ClassEntry("crane", "Crane")]
    with pytest.raises(InputError, match=r"1 of 2 classes have no picture: Crane"):
        match_classes(open_images(picture_tree), entries)


def test_a_broken_picture_is_named(picture_tree: Path) -> None:
    path = picture_tree / "goldfinch" / "0.png"
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(InputError, match=r"goldfinch/0.png is not a readable picture"):
        open_images(picture_tree)["goldfinch"][0].image()


def test_a_broken_picture_in_parquet_is_named_with_its_row(tmp_path: Path, png: Png) -> None:
    path = parquet(tmp_path / "a.parquet", [png(0), b"no picture"], ["wolf", "wolf"])
    with pytest.raises(InputError, match=r"a.parquet, row 1 is not a readable picture"):
        open_images(path)["wolf"][1].image()


def test_a_small_file_that_claims_to_be_enormous_is_refused() -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 12_000, 12_000, 8, 2, 0, 0, 0))
    bomb = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    with pytest.raises(InputError, match="bomb.png is 12000x12000"):
        decode(bomb, "bomb.png")


def test_a_picture_with_alpha_or_palette_becomes_rgb(png: Png) -> None:
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.open(io.BytesIO(png(0))).convert("P").save(buffer, format="GIF")
    assert decode(buffer.getvalue()).mode == "RGB"


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no picture"):
        open_images(tmp_path)


def test_a_path_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not there"):
        open_images(tmp_path / "none")


def test_parquet_without_the_columns_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": [1]}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="needs 'image' and 'class'"):
        open_images(tmp_path / "a.parquet")


def test_numbers_as_classes_are_refused(tmp_path: Path, png: Png) -> None:
    with pytest.raises(InputError, match="classes must be text"):
        open_images(parquet(tmp_path / "a.parquet", [png(0)], [3], "label"))  # type: ignore[list-item]


def test_a_row_without_bytes_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="row 0 lacks a class or picture bytes"):
        open_images(parquet(tmp_path / "a.parquet", [None], ["wolf"]))


def test_a_file_that_is_not_parquet_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"nothing")
    with pytest.raises(InputError, match="not a readable Parquet file"):
        open_images(tmp_path)
