"""Files that others wrote: opened only if they are plain files, read only as far as they may be long, JSON or not.

A FIFO waits for ever and a device never ends, so neither is opened. What a person gave wrongly is an InputError of one
line; `parse_json` raises ValueError for everything that JSON text can be wrong with, depth included.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from syntrans.errors import InputError

if TYPE_CHECKING:
    from io import BufferedReader

MIB = 2**20
TEXT_LIMIT = 256 * MIB
"""Of a class list, a split file, a report: far above any real one, far below what hurts."""


@contextmanager
def open_plain(path: Path, limit: int | None = None) -> Iterator[BufferedReader]:
    """``path`` for reading bytes; InputError unless it is a plain file of at most ``limit`` bytes that may be read."""
    try:
        _require_plain(path.stat(), path)  # before opening, since a device may act on being opened
        # Without waiting for a writer, should a FIFO have taken its place meanwhile.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError as error:
        raise InputError(f"{path} is not a file; check the path") from error
    except (OSError, ValueError) as error:  # a name with a null character is a ValueError
        raise InputError(f"cannot read {path}: {getattr(error, 'strerror', error)}; check the path") from error
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        _require_plain(status, path)
        if limit is not None and status.st_size > limit:
            size, most = status.st_size / MIB, limit / MIB
            raise InputError(
                f"{path} has {size:,.0f} MiB, and at most {most:,.0f} are read; split it, or take it apart"
            )
        try:
            yield file
        except OSError as error:
            raise InputError(f"cannot read {path}: {error.strerror}; check the disk") from error


def _require_plain(status: os.stat_result, path: Path) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{path} is not a plain file; give a file")


def read_bytes(path: Path, limit: int = TEXT_LIMIT) -> bytes:
    """All of a plain file."""
    with open_plain(path, limit) as file:
        return file.read()


def read_text(path: Path, limit: int = TEXT_LIMIT) -> str:
    """All of a UTF-8 text file, without its byte order mark."""
    try:
        return read_bytes(path, limit).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8") from error


def read_json(path: Path, advice: str, limit: int = TEXT_LIMIT) -> Any:
    """The value in a JSON file; InputError, ending with ``advice``, when it is none."""
    try:
        return parse_json(read_bytes(path, limit))
    except ValueError as error:
        raise InputError(f"{path} is not JSON ({error}); {advice}") from error


def read_model_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file of a model's folder; {} where there is no such file, or something else in it."""
    values: Any = read_json(path, "download the model again") if path.is_file() else {}
    return values if isinstance(values, dict) else {}


def parse_json(data: str | bytes, **options: Any) -> Any:
    """The value that JSON text means, with ``options`` as of `json.loads`; ValueError for whatever is wrong with it,
    also that it is nested too deep, or no text.
    """
    try:
        return json.loads(data, **options)
    except RecursionError:
        raise ValueError("nested too deep") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 text, byte {error.start}") from None
