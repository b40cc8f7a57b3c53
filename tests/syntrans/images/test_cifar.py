"""A CIFAR archive is the only pickle that is read, and nothing in it can run."""

import contextlib
import gzip
import pickle  # noqa: TID251 - the crafted bytes
import tarfile
from pathlib import Path
from typing import Literal

import archives
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syntrans.errors import InputError
from syntrans.images import cifar
from syntrans.images.cifar import CifarPool, _unpickle


class Runs:
    """Whatever it is asked to call when it is unpickled."""

    def __init__(self, function, *arguments) -> None:
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def files(data=None, fine=(0, 1), names=("ant", "bee")):
    pictures = np.arange(len(fine) * 3072, dtype=np.uint32).astype(np.uint8).reshape(len(fine), 3072)
    content = {"data": pictures if data is None else data, "fine_labels": list(fine)}
    return {"train": content, "test": content, "meta": {"fine_label_names": list(names)}}


def pool(tmp_path: Path, written):
    root = archives.tar(tmp_path, written)
    return CifarPool(cifar.find_archive(root))


def test_what_python_2_wrote_is_read(tmp_path: Path) -> None:
    opened = pool(tmp_path, {name: archives.python2_pickle(value) for name, value in files().items()})
    assert opened.keys == ["ant", "bee"]
    assert opened.pictures(["bee"], None)["bee"][0].planes.tolist() == files()["train"]["data"][1].tolist()


@pytest.mark.parametrize("order", ["C", "F"])
def test_what_python_3_writes_in_protocol_2_is_read(order: Literal["C", "F"], tmp_path: Path) -> None:
    content = files(np.asarray(files()["train"]["data"], order=order))
    opened = pool(tmp_path, {name: pickle.dumps(value, protocol=2) for name, value in content.items()})
    assert opened.pictures(["ant"], None)["ant"][0].planes.tolist() == files()["train"]["data"][0].tolist()


def payloads(marker):
    command = f"touch {marker}"
    return {
        "os.system": pickle.dumps(Runs(__import__("os").system, command), protocol=2),
        "protocol 4": pickle.dumps(Runs(__import__("os").system, command), protocol=4),
        "eval": pickle.dumps(Runs(eval, f"__import__('os').mkdir({str(marker)!r})"), protocol=2),
        "inst": b"(S'" + command.encode() + b"'\nios\nsystem\n.",
        "below a key": pickle.dumps({"data": [Runs(__import__("os").system, command)]}, protocol=2),
        "getattr": b"cbuiltins\ngetattr\n(cos\nsystem\nU\x01xtR.",
        "a numpy function": b"cnumpy\nsave\n(U" + bytes([len(str(marker))]) + str(marker).encode() + b"K\x01tR.",
        "dotted": b"\x80\x04\x8c\x05numpy\x8c\x10lib.npyio.os.rm\x93.",
        "own module": b"csyntrans.paths\natomic_write_text\n(U\x01xU\x01ytR.",
        "persistent": b"\x80\x02U\x01xQ.",
        "extension": b"\x80\x02\x82\x01.",
        "objects": pickle.dumps(np.array([Runs(__import__("os").system, command)], dtype=object), protocol=2),
    }


@pytest.mark.parametrize("kind", payloads("x"))
def test_a_crafted_archive_runs_nothing_and_is_refused(kind, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    good = {name: archives.python2_pickle(value) for name, value in files().items()}
    opened = pool(tmp_path / "a", {**good, "train": payloads(marker)[kind]})
    with pytest.raises(InputError, match="is refused|no array 'data'"):
        opened.pictures(["ant"], None)
    assert not marker.exists()


@pytest.mark.parametrize("kind", ["os.system", "protocol 4", "eval", "inst", "below a key", "objects"])
def test_the_same_bytes_run_in_an_ordinary_reader(kind: str, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    with contextlib.suppress(Exception):
        pickle.loads(payloads(marker)[kind])  # our own bytes: all they do is to make a file in the test's folder
    assert marker.exists()


@pytest.mark.parametrize("put", [b"r\xff\xff\xff\x7f", b"p2147483647\n"])
def test_a_few_bytes_take_no_gigabytes(put: bytes) -> None:
    with pytest.raises(InputError, match="numbers its 1. object 2,147,483,647"):
        _unpickle(b"\x80\x02}" + put + b".", "it")


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_bytes_end_in_anything_but_an_input_error(data) -> None:
    whole = bytearray(archives.python2_pickle(files(np.zeros((2, 12), np.uint8))["train"]))
    for _ in range(data.draw(st.integers(1, 6))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        unpickled = _unpickle(bytes(whole), "it")
    except InputError:
        return
    assert isinstance(unpickled, dict)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": np.zeros((2, 3071), np.uint8)}, "no array 'data' of 3072 bytes"),
        ({"data": np.zeros((2, 3072), np.int64)}, "no array 'data' of 3072 bytes"),
        ({"data": [1, 2]}, "no array 'data' of 3072 bytes"),
        ({"fine": (0, 1, 1), "data": np.zeros((2, 3072), np.uint8)}, "2 pictures and 3 labels"),
        ({"fine": (0, 7)}, "numbers below 2"),
        ({"names": ("ant", 3)}, "no list 'fine_label_names'"),
    ],
)
def test_an_archive_of_something_else_says_what_is_wrong(change, message: str, tmp_path: Path) -> None:
    opened = pool(tmp_path, {name: archives.python2_pickle(value) for name, value in files(**change).items()})
    with pytest.raises(InputError, match=message):
        opened.pictures(["ant"], None)


def test_an_archive_without_meta_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no cifar-100-python/meta"):
        assert pool(tmp_path, {"train": b"x", "test": b"x"}).keys


def test_a_truncated_archive_is_refused(tmp_path: Path) -> None:
    path = archives.cifar(tmp_path, 2) / "cifar-100-python.tar.gz"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(InputError, match="cannot be read .*; download it again"):
        assert CifarPool(path).keys


def test_a_member_that_claims_to_be_enormous_is_not_unpacked(tmp_path: Path) -> None:
    info = tarfile.TarInfo("cifar-100-python/train")
    info.size = 1 << 40
    (tmp_path / "cifar-100-python.tar.gz").write_bytes(gzip.compress(info.tobuf() + bytes(1024)))
    with pytest.raises(InputError, match="more than 536,870,912 bytes"):
        assert CifarPool(tmp_path / "cifar-100-python.tar.gz").keys


def test_nothing_of_the_archive_is_written_to_disk(tmp_path: Path) -> None:
    good = {name: archives.python2_pickle(value) for name, value in files().items()}
    opened = pool(tmp_path / "a", {"../../evil": b"x", **good})
    assert opened.keys == ["ant", "bee"]
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["cifar-100-python.tar.gz"]
