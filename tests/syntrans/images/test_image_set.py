"""Pictures from folders and Parquet files, and what is said when they are broken."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from syntrans.classes.entries import ClassEntry
from syntrans.errors import InputError
from syntrans.images.image_set import ImageRef, class_keys, decode, match_classes, open_images

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


def test_a_class_that_the_list_does_not_name_is_said(picture_tree: Path) -> None:
    images = open_images(picture_tree)
    match_classes(images, [ClassEntry("goldfinch", "goldfinch")])
    match_classes(images, [ClassEntry("goldfinch", "goldfinch")])  # asked again, it is not counted again
    assert images.passed_over.counts["classes that were not asked for"] == len(images) - 1


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


def test_a_row_without_bytes_is_a_broken_picture(tmp_path: Path) -> None:
    images = open_images(parquet(tmp_path / "a.parquet", [None], ["wolf"]))
    with pytest.raises(InputError, match="row 0 is not a readable picture"):
        images["wolf"][0].image()


def test_a_row_without_a_class_is_named(tmp_path: Path, png: Png) -> None:
    path = parquet(tmp_path / "a.parquet", [png(0), png(1)], ["wolf", None])  # type: ignore[list-item]
    with pytest.raises(InputError, match="row 1 lacks a class"):
        open_images(path)


def test_numbers_are_classes_where_the_file_names_them(tmp_path: Path, png: Png) -> None:
    features = {"img": {"_type": "Image"}, "fine_label": {"_type": "ClassLabel", "names": ["lamb", "wolf"]}}
    images = pa.array([{"bytes": png(n), "path": None} for n in range(3)], IMAGE)
    table = pa.table({"img": images, "fine_label": [1, 0, 1]})
    table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=1)
    image_set = open_images(tmp_path)
    assert [ref.load() for ref in image_set["wolf"]] == [png(0), png(2)]
    assert class_keys(tmp_path) == ["lamb", "wolf"]


def save(picture: Image.Image, kind: str, **more: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format=kind, **more)
    return buffer.getvalue()


GREY = np.tile(np.linspace(0, 1, 16), (16, 1))
MODES = {
    "1": ("PNG", Image.fromarray(GREY > 0.5)),
    "L": ("PNG", Image.fromarray((GREY * 255).astype(np.uint8))),
    "P": ("GIF", Image.fromarray((GREY * 255).astype(np.uint8)).convert("P")),
    "CMYK": ("JPEG", Image.fromarray((GREY * 255).astype(np.uint8)).convert("RGB").convert("CMYK")),
    "YCbCr": ("JPEG", Image.fromarray((GREY * 255).astype(np.uint8)).convert("YCbCr")),
    "I;16": ("PNG", Image.fromarray((GREY * 65535).astype(np.uint16))),
    "I": ("TIFF", Image.fromarray((GREY * 65535).astype(np.int32))),
    "F": ("TIFF", Image.fromarray(GREY.astype(np.float32))),
    "LA": ("PNG", Image.fromarray((GREY * 255).astype(np.uint8)).convert("LA")),
    "RGBA": ("PNG", Image.fromarray((GREY * 255).astype(np.uint8)).convert("RGBA")),
}


@pytest.mark.parametrize("mode", MODES)
def test_a_picture_of_any_mode_comes_back_in_rgb(mode: str) -> None:
    kind, picture = MODES[mode]
    pixels = np.asarray(decode(save(picture, kind)), dtype=float)
    assert pixels.shape == (16, 16, 3)
    assert pixels[:, 0].mean() < 20
    assert pixels[:, -1].mean() > 235


@pytest.mark.parametrize("mode", ["RGBA", "P"])
def test_what_is_transparent_is_white(mode: str) -> None:
    clear = Image.new("RGBA", (8, 8), (200, 0, 0, 0))
    clear.paste((0, 0, 255, 255), (0, 0, 4, 8))
    pixels = np.asarray(decode(save(clear.convert(mode), "PNG")))
    assert (pixels[:, 4:] == 255).all()
    assert (pixels[:, :4] == (0, 0, 255)).all()


def test_a_photograph_is_turned_upright() -> None:
    picture = Image.new("RGB", (16, 8), "black")
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise to show
    assert decode(save(picture, "JPEG", exif=exif)).size == (8, 16)


def test_a_large_jpeg_is_unpacked_no_smaller_than_asked() -> None:
    data = save(Image.new("RGB", (640, 480), "teal"), "JPEG")
    assert decode(data).size == (640, 480)
    assert decode(data, at_least=100).size == (160, 120)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP"]), st.data())
def test_no_damage_ends_in_anything_but_an_input_error(kind: str, data: st.DataObject) -> None:
    whole = bytearray(save(Image.fromarray((GREY * 255).astype(np.uint8)).convert("RGB"), kind))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    damaged = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    with contextlib.suppress(InputError):
        assert decode(damaged, "it").mode == "RGB"


def test_a_file_that_is_not_parquet_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"nothing")
    with pytest.raises(InputError, match="not a readable Parquet file"):
        open_images(tmp_path)
