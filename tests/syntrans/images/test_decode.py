"""Pictures that are attacks: no program is started, nothing but files is opened, and limits hold before unpacking."""

from __future__ import annotations

import os
import socket
import stat
import struct
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from syntrans.errors import InputError
from syntrans.images import decode as image_decode
from syntrans.images.decode import FORMATS, MAX_FRAMES, decode, read_file
from syntrans.images.files import list_pictures
from syntrans.images.image_set import open_images

Png = Callable[[int], bytes]
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n%%EOF\n"


def test_an_eps_file_called_png_starts_no_program(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("Popen", "run", "call", "check_call", "check_output"):
        monkeypatch.setattr(subprocess, name, lambda *_, **__: pytest.fail("a program was started"))
    with pytest.raises(InputError, match=r"z\.png is not a readable picture \(no known format\)"):
        decode(EPS, "z.png")


def test_only_the_formats_that_are_listed_are_tried(monkeypatch: pytest.MonkeyPatch, png: Png) -> None:
    tried: list[object] = []
    opened = Image.open

    def noted(*args: object, **more: object) -> object:
        tried.append(more.get("formats"))
        return opened(*args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Image, "open", noted)
    decode(png(0))
    assert set(tried[0]) <= set(FORMATS)  # type: ignore[call-overload]


def test_there_is_one_place_that_opens_a_picture(repository: Path) -> None:
    rooms = [repository / name for name in ("syntrans", "mining", "training", "world", "benchmarks")]
    sources = [path for room in rooms for path in room.rglob("*.py")]
    assert [path.name for path in sources if "Image.open(" in path.read_text()] == ["decode.py"]


@pytest.fixture
def odd_files(picture_tree: Path) -> Path:
    """A class folder with a pipe, a socket and links to a device and to nowhere, all called .jpg."""
    folder = picture_tree / "goldfinch"
    os.mkfifo(folder / "pipe.jpg")
    (folder / "zero.jpg").symlink_to("/dev/zero")
    (folder / "gone.jpg").symlink_to("nowhere.jpg")
    here = os.open(".", os.O_RDONLY)
    os.chdir(folder)  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("socket.jpg")
    os.chdir(here)
    os.close(here)
    return picture_tree


def test_pipes_sockets_and_devices_are_counted_and_never_opened(odd_files: Path) -> None:
    files, passed = list_pictures(odd_files / "goldfinch")
    assert [file.name for file in files] == ["0.png", "1.png", "2.png"]
    assert passed.counts == {"pipes, sockets or devices": 3, "broken links": 1}
    assert len(open_images(odd_files)["goldfinch"]) == 3


@pytest.mark.parametrize("name", ["pipe.jpg", "socket.jpg", "zero.jpg"])
def test_what_is_no_file_is_refused_before_it_is_opened(name: str, odd_files: Path) -> None:
    with pytest.raises(InputError, match="is no file"):
        read_file(odd_files / "goldfinch" / name)


def test_a_pipe_in_place_of_the_pictures_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="is a pipe, socket or device"):
        open_images(tmp_path / "pipe")


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, png: Png) -> None:
    (tmp_path / "a.png").write_bytes(png(0))
    monkeypatch.setattr(image_decode, "MAX_BYTES", 50)
    with pytest.raises(InputError, match="more than 50 are refused"):
        read_file(tmp_path / "a.png")
    with pytest.raises(InputError, match="more than 50 are refused"):
        decode(png(0))


def test_a_file_whose_system_gives_it_no_size_is_read_to_its_end(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "a.png").write_bytes(b"picture")
    status = os.stat_result((stat.S_IFREG, *[0] * 9))
    with monkeypatch.context() as patched:
        patched.setattr(Path, "stat", lambda _: status)
        assert read_file(tmp_path / "a.png") == b"picture"


def test_an_animation_that_claims_too_many_frames_is_refused(png: Png) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    data = png(0)
    claimed = data[:33] + chunk(b"acTL", struct.pack(">II", MAX_FRAMES, 0)) + data[33:]
    with pytest.raises(InputError, match="it has 1,001 frames; more than 1,000 are refused"):
        decode(claimed, "it")


def test_heic_is_told_to_be_no_form_that_is_read(tmp_path: Path) -> None:
    data = b"\0\0\0\x18ftypheic" + bytes(16)
    with pytest.raises(InputError, match="HEIC is not read: save it as JPEG"):
        decode(data)
    (tmp_path / "IMG_1.HEIC").write_bytes(data)
    for path in (tmp_path, tmp_path / "IMG_1.HEIC"):
        with pytest.raises(InputError, match="HEIC is not read: save it as JPEG"):
            open_images(path, by_class=False)
