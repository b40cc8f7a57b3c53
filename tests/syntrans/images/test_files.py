"""Which files are pictures, and what is passed over and said."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from syntrans.images.files import list_pictures, loose_pictures
from syntrans.images.image_set import decode, open_images

Png = Callable[[int], bytes]


def names(folder: Path) -> list[str]:
    return [file.name for file in list_pictures(folder)[0]]


def test_hidden_files_and_what_systems_leave_behind_do_not_count(tmp_path: Path, png: Png) -> None:
    (tmp_path / "a.jpg").write_bytes(png(0))
    for name in ("._a.jpg", ".DS_Store", "Thumbs.db", "desktop.ini"):
        (tmp_path / name).write_bytes(b"\0\5\26\7")
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "__MACOSX" / "b.jpg").write_bytes(b"x")
    assert names(tmp_path) == ["a.jpg"]
    assert not list_pictures(tmp_path)[1]


ENDINGS = [("a.jfif", "JPEG"), ("a.jpe", "JPEG"), ("a.avif", "AVIF"), ("a.PNG", "PNG")]


@pytest.mark.parametrize(("name", "kind"), ENDINGS)
def test_a_picture_of_any_ending_that_pillow_reads_is_read(name: str, kind: str, tmp_path: Path) -> None:
    Image.new("RGB", (8, 8), "teal").save(tmp_path / name, format=kind)
    assert names(tmp_path) == [name]
    assert decode((tmp_path / name).read_bytes()).size == (8, 8)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "AVIF"])
def test_a_file_without_an_ending_is_a_picture_if_it_begins_like_one(kind: str, tmp_path: Path) -> None:
    Image.new("RGB", (8, 8), "teal").save(tmp_path / "IMG_1", format=kind)
    (tmp_path / "README").write_text("notes")
    assert names(tmp_path) == ["IMG_1"]
    assert list_pictures(tmp_path)[1].counts == {"files without an ending": 1}


def test_what_is_not_read_is_counted_and_named(picture_tree: Path) -> None:
    for name in ("IMG_1.heic", "IMG_2.HEIC", "notes.txt"):
        (picture_tree / "goldfinch" / name).write_bytes(b"x")
    images = open_images(picture_tree)
    assert len(images["goldfinch"]) == 3
    assert str(images.passed_over) == (
        "passed over: 2 .heic files (IMG_1.heic, ...; save as JPEG to have them read), 1 .txt files (notes.txt)"
    )


@pytest.mark.parametrize("pattern", ["", "*"])
def test_what_lies_beside_pictures_in_no_class_is_counted_too(pattern: str, picture_tree: Path) -> None:
    folder = picture_tree / "goldfinch"
    for name in ("IMG_1.heic", "notes.txt", ".hidden"):
        (folder / name).write_bytes(b"x")
    (folder / "gone.png").symlink_to("nowhere")
    images = open_images(folder / pattern, by_class=False)
    assert len(images.refs) == 3
    assert images.passed_over.counts == {".heic files": 1, ".txt files": 1, "broken links": 1}


def test_names_that_cannot_be_written_down_are_passed_over(picture_tree: Path, png: Png) -> None:
    folder = picture_tree / "goldfinch"
    try:
        Path(os.fsdecode(os.fsencode(folder / "caf") + b"\xe9.png")).write_bytes(png(9))
        lost = Path(os.fsdecode(os.fsencode(picture_tree / "caf") + b"\xe9"))
        lost.mkdir()
    except OSError:
        pytest.skip("this file system takes no such names")
    (lost / "1.png").write_bytes(png(8))
    images = open_images(picture_tree)
    assert {key: len(of_class) for key, of_class in images.items()} == {"goldfinch": 3, "house_finch": 3}
    assert str(images.passed_over) == "passed over: 2 names that are no UTF-8 (caf?, ...)"


def test_a_linked_folder_is_read_like_any_other(picture_tree: Path, tmp_path: Path, png: Png) -> None:
    (tmp_path / "elsewhere" / "more").mkdir(parents=True)
    (tmp_path / "elsewhere" / "more" / "x.png").write_bytes(png(9))
    (picture_tree / "goldfinch" / "linked").symlink_to(tmp_path / "elsewhere")
    (picture_tree / "wren").symlink_to(tmp_path / "elsewhere")
    images = open_images(picture_tree)
    assert [len(images[key]) for key in ("goldfinch", "wren")] == [4, 1]


def test_links_in_circles_end(picture_tree: Path) -> None:
    folder = picture_tree / "goldfinch"
    (folder / "up").symlink_to(picture_tree)
    (folder / "self").symlink_to("self")
    (folder / "below").mkdir()
    (folder / "below" / "again").symlink_to(folder)
    files, passed = list_pictures(folder)
    assert len(files) == 3
    assert passed.counts == {"links to folders that are read already": 2, "broken links": 1}


def test_pictures_in_no_class_folder_are_counted_or_taken_as_such(picture_tree: Path, png: Png) -> None:
    (picture_tree / "stray.png").write_bytes(png(7))
    images = open_images(picture_tree)
    images.look_up(images)
    assert images.passed_over.counts == {"pictures in no class folder": 1}
    alone = open_images(picture_tree / "goldfinch", by_class=False)
    assert (list(alone), len(alone.refs)) == ([], 3)
    (stray,) = open_images(picture_tree / "stray.png", by_class=False).refs
    assert stray.load() == png(7)
    assert len(open_images(str(picture_tree / "goldfinch" / "*.png"), by_class=False).refs) == 3
    assert len(open_images(picture_tree, by_class=False).refs) == 7
    assert loose_pictures(picture_tree)[0] == [picture_tree / "stray.png"]


def test_odd_exif_leaves_a_sound_picture_readable() -> None:
    picture, exif = Image.new("RGB", (16, 8), "black"), Image.Exif()
    exif[0x0112] = 6
    sink = io.BytesIO()
    picture.save(sink, format="JPEG", exif=exif)
    crooked = bytearray(sink.getvalue())
    entry = crooked.index(b"\x12\x01\x03\x00") if b"\x12\x01\x03\x00" in crooked else crooked.index(b"\x01\x12\x00\x03")
    assert decode(bytes(crooked)).size == (8, 16)
    crooked[entry + 8 : entry + 12] = b"\xff\xff\xff\xff"  # an orientation that does not exist
    assert decode(bytes(crooked)).size == (16, 8)


@pytest.mark.parametrize(("tag", "value"), [(0x011A, (-1, 0)), (0x0212, (1, 0))])
def test_a_signed_rational_with_denominator_nought_leaves_a_picture_readable(tag: int, value: tuple[int, int]) -> None:
    entries = struct.pack("<HHI2H", 0x0112, 3, 1, 6, 0) + struct.pack("<HHII", tag, 10, 1, 38)
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + entries + struct.pack("<I", 0) + struct.pack("<ii", *value)
    sink = io.BytesIO()
    Image.new("RGB", (16, 8), "black").save(sink, format="JPEG", exif=exif)
    assert decode(sink.getvalue()).size == (8, 16)
