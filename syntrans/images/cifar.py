"""The CIFAR-100 archive as published: cifar-100-python.tar.gz, or the folder of it with train, test and meta.

Its three files are Python pickles, and a pickle can run code. They are read by an unpickler that knows nothing but
containers, texts, numbers and one kind of array; anything else ends the reading. Even numpy's own unpickling is
replaced: an array is rebuilt from its shape and bytes by the few lines below.
"""

from __future__ import annotations

import hashlib
import io
import pickle  # noqa: TID251 - the published format is a pickle; _PlainUnpickler admits no code
import pickletools
import tarfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from syntrans.errors import InputError
from syntrans.images.reference import Contained, PassedOver, Picture

if TYPE_CHECKING:
    from PIL import Image

FOLDER = "cifar-100-python"
_FILES = ("train", "test", "meta")
_MAX_BYTES = 1 << 29  # the largest published file has 155 MB
_Raw = NDArray[np.uint8]


@dataclass(frozen=True)
class PixelPicture:
    """A picture that is stored as pixels: 3072 bytes, the red plane, then green, then blue, each 32 x 32."""

    planes: _Raw
    origin: str

    @property
    def sha256(self) -> str:
        """Of the 3072 bytes as they are stored."""
        return hashlib.sha256(self.planes.tobytes()).hexdigest()

    @property
    def load(self) -> Encoded:
        """What gives the picture as a PNG file."""
        return Encoded(self)

    def image(self, at_least: int | None = None) -> Image.Image:  # noqa: ARG002 - part of Picture
        """The picture, 32 x 32."""
        from PIL import Image

        return Image.fromarray(np.ascontiguousarray(self.planes.reshape(3, 32, 32).transpose(1, 2, 0)))


@dataclass(frozen=True)
class Encoded(Contained):
    """The pixels of a picture, encoded when they are asked for."""

    picture: PixelPicture

    def __call__(self) -> bytes:
        """A PNG file."""
        sink = io.BytesIO()
        self.picture.image().save(sink, format="PNG")
        return sink.getvalue()


class CifarPool:
    """All 600 pictures of each fine class: the 500 of train, then the 100 of test."""

    def __init__(self, archive: Path) -> None:
        self._archive = archive
        self.passed_over = PassedOver()

    @cached_property
    def _content(self) -> tuple[list[str], list[tuple[_Raw, NDArray[np.int64]]]]:
        files = _read_files(self._archive)
        names = _texts(files["meta"], "fine_label_names", self._archive)
        return names, [_pictures(files[name], len(names), f"{self._archive}, {name}") for name in _FILES[:2]]

    @property
    def keys(self) -> Sequence[str]:
        """The fine labels' names."""
        return self._content[0]

    def pictures(self, keys: Sequence[str], limit: int | None) -> dict[str, list[Picture]]:
        """Views of the archive's arrays."""
        names, blocks = self._content
        by_class: dict[str, list[Picture]] = {}
        for key in keys:
            label = names.index(key)
            rows = [(file, n) for file, (_, labels) in enumerate(blocks) for n in np.flatnonzero(labels == label)]
            by_class[key] = [
                PixelPicture(blocks[file][0][n], f"{self._archive}, {_FILES[file]}, row {n}")
                for file, n in rows[:limit]
            ]
        return by_class


def find_archive(path: Path) -> Path | None:
    """The archive's folder or tar file at `path` or right below it."""
    for candidate in (path, path / FOLDER, path / f"{FOLDER}.tar.gz"):
        if candidate.is_file() and candidate.name.startswith(FOLDER) and ".tar" in candidate.suffixes:
            return candidate
        if all((candidate / name).is_file() for name in _FILES):
            return candidate
    return None


def _read_files(archive: Path) -> dict[str, Mapping[str, Any]]:
    try:
        raw = _from_folder(archive) if archive.is_dir() else _from_tar(archive)
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise InputError(f"{archive} cannot be read ({str(error)[:80]}); download it again") from error
    missing = [name for name in _FILES if name not in raw]
    if missing:
        raise InputError(f"{archive} has no {FOLDER}/{missing[0]}; it must be the archive 'CIFAR-100 python version'")
    return {name: _unpickle(data, f"{archive}, {name}") for name, data in raw.items()}


def _from_folder(folder: Path) -> dict[str, bytes]:
    for name in _FILES:
        _check_size(folder / name, (folder / name).stat().st_size)
    return {name: (folder / name).read_bytes() for name in _FILES}


def _from_tar(path: Path) -> dict[str, bytes]:
    contents: dict[str, bytes] = {}
    with tarfile.open(path) as tar:
        for member in tar:  # nothing is extracted to disk, and nothing read past what the archive should hold
            _check_size(path, max(member.size, member.offset // 2))
            name = Path(member.name).name
            if name in _FILES and Path(member.name).parent.name == FOLDER:
                stream = tar.extractfile(member)
                contents[name] = stream.read() if stream else b""
            if len(contents) == len(_FILES):
                break
    return contents


def _check_size(what: Path, size: int) -> None:
    if size > _MAX_BYTES:
        raise InputError(f"{what} holds a file of more than {_MAX_BYTES:,} bytes; CIFAR-100's largest has 155 MB")


class _Array:
    """Stands for numpy.ndarray and its `_reconstruct` while a pickle is read."""

    def __init__(self, *_: object) -> None:
        self.value: NDArray[Any] = np.empty(0, np.uint8)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """The state is (version, shape, dtype, is_fortran, bytes)."""
        _, shape, dtype, fortran, data = state
        raw = data.encode("latin-1") if isinstance(data, str) else data
        self.value = np.frombuffer(raw, dtype.code).reshape(shape, order="F" if fortran else "C")


class _Dtype:
    """Stands for numpy.dtype: unsigned bytes and little-endian integers, nothing else."""

    def __init__(self, code: str | bytes, *_: object) -> None:
        text = code.decode("ascii") if isinstance(code, bytes) else code
        if text not in ("u1", "|u1", "i1", "i2", "i4", "i8"):
            raise pickle.UnpicklingError(f"arrays of type {text!r:.20} have no place in it")
        self.code = np.dtype(text).newbyteorder("<")

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """The state is (version, byte order, ...)."""
        if state[1] not in ("|", "<", "=", b"|", b"<", b"="):
            raise pickle.UnpicklingError("its numbers are not little-endian")


def _bytes_of(text: str, _encoding: str = "latin1") -> bytes:
    """Stands for `_codecs.encode`: how Python 3 writes bytes into an old pickle."""
    return text.encode("latin-1")


class _PlainUnpickler(pickle.Unpickler):
    """Knows these names and no other; what it calls is defined above."""

    _KNOWN = {
        ("numpy.core.multiarray", "_reconstruct"): _Array,
        ("numpy._core.multiarray", "_reconstruct"): _Array,
        ("numpy", "ndarray"): _Array,
        ("numpy", "dtype"): _Dtype,
        ("_codecs", "encode"): _bytes_of,
    }

    def find_class(self, module: str, name: str) -> Any:
        """The stand-in for a name of the published files."""
        stand_in = self._KNOWN.get((module, name))
        if stand_in is None:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which CIFAR-100 never does")
        return stand_in


def _unpickle(data: bytes, where: str) -> Mapping[str, Any]:
    """The dictionary in a file of the archive, with text keys; Python 2 wrote its texts as bytes."""
    try:
        _check_memo(data)
        unpickled = _PlainUnpickler(io.BytesIO(data), encoding="bytes").load()
    except Exception as error:  # a crafted pickle can make its reader stumble over anything
        raise InputError(f"{where} is not a file of CIFAR-100 and is refused: {str(error)[:120]}") from error
    if not isinstance(unpickled, dict):
        raise InputError(f"{where} holds a {type(unpickled).__name__}, not the dictionary of CIFAR-100")
    return {_text(key): value for key, value in unpickled.items()}


def _check_memo(data: bytes) -> None:
    """A pickle numbers what it refers to again; its reader makes room for all numbers up to the largest.

    Writers count from 0 or 1. Six bytes that begin with 2^31 would take 32 GB.
    """
    numbered = 0
    for opcode, number, _ in pickletools.genops(data):
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT"):
            numbered += 1
            if int(number or 0) > numbered:
                raise pickle.UnpicklingError(f"it numbers its {numbered}. object {number:,}")


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _texts(values: Mapping[str, Any], key: str, where: Path) -> list[str]:
    texts = values.get(key)
    if not isinstance(texts, list) or not all(isinstance(item, str | bytes) for item in texts):
        raise InputError(f"{where}, meta has no list {key!r}; it must be the archive 'CIFAR-100 python version'")
    return [_text(item) for item in texts]


def _pictures(values: Mapping[str, Any], n_classes: int, where: str) -> tuple[_Raw, NDArray[np.int64]]:
    """Pixels [n, 3072] and fine labels [n] of one file."""
    data, labels = values.get("data"), values.get("fine_labels")
    if not isinstance(data, _Array) or data.value.dtype != np.uint8 or data.value.shape[1:] != (3072,):
        raise InputError(f"{where} has no array 'data' of 3072 bytes a picture")
    if not isinstance(labels, list) or not all(type(label) is int and 0 <= label < n_classes for label in labels):
        raise InputError(f"{where} has no list 'fine_labels' of numbers below {n_classes}")
    if len(labels) != len(data.value):
        raise InputError(f"{where} has {len(data.value)} pictures and {len(labels)} labels")
    return data.value, np.array(labels, dtype=np.int64)
