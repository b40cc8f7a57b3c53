"""Parquet files with a hash: a changed byte is seen when they are read.

Pages carry Parquet's own checksums. These cover neither the footer nor the pages' headers, so a SHA-256 of all other
bytes of the file stands between the last page and the footer, where no Parquet reader looks and no program that
writes the rows anew would copy it to. Files without it (older ones, other programs') are read with what they have:
their page checksums, and the validity of every value.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from syntrans.errors import InputError
from syntrans.files.input_files import open_plain
from syntrans.paths import atomic_path

_MARK = b"syntrans-sha256:"
_SEAL = len(_MARK) + 32
_TAIL = 8  # the footer's length, and PAR1
_CHUNK = 2**20


@contextmanager
def sealed_writer(
    path: Path, schema: pa.Schema, *, compression: str = "zstd", metadata: Mapping[str, str] | None = None
) -> Iterator[pq.ParquetWriter]:
    """A writer of tables of ``schema`` to ``path``; the file appears sealed and whole, or not at all."""
    if metadata is not None:
        schema = schema.with_metadata({key.encode(): value.encode() for key, value in metadata.items()})
    with atomic_path(path) as temporary:
        with pq.ParquetWriter(temporary, schema, compression=compression, write_page_checksum=True) as writer:
            yield writer
        _seal(temporary)


def write_sealed(path: Path, table: pa.Table, *, compression: str = "zstd", row_group_size: int | None = None) -> None:
    """Write ``table`` with its own metadata, sealed, completely or not at all."""
    with sealed_writer(path, table.schema, compression=compression) as writer:
        writer.write_table(table, row_group_size)


def read_sealed(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """The table in a file; InputError if it is no Parquet, or any byte of it is not as it was written."""
    with open_plain(path) as file:
        sealed = _check_seal(file, path)
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as parquet:
            table = parquet.read(columns=columns)
        if not sealed:
            table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError, MemoryError, OverflowError, TypeError) as error:
        raise InputError(f"{path} is not a readable Parquet file ({str(error)[:80]}); write it again") from error
    return table


def column_names(path: Path) -> list[str]:
    """The names of a file's columns; InputError as of `read_sealed`."""
    names: list[str] = _schema(path).names
    return names


def file_metadata(path: Path) -> dict[bytes, bytes]:
    """The metadata of a file's schema; InputError as of `read_sealed`."""
    return dict(_schema(path).metadata or {})


def _schema(path: Path) -> pa.Schema:
    with open_plain(path):
        pass
    try:
        return pq.read_schema(path)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{path} is not a readable Parquet file ({str(error)[:80]}); write it again") from error


def _seal(path: Path) -> None:
    """Put the mark and the hash of everything else before the footer: offsets in it count from the beginning."""
    with path.open("rb+") as file:
        footer = _footer(file)
        assert footer is not None, "a file that pyarrow just wrote has a footer"
        file.seek(footer)
        rest = file.read()
        file.seek(footer)
        file.write(_MARK)
        file.seek(0)
        digest = _digest(file, footer + len(_MARK), rest)
        file.seek(footer + len(_MARK))
        file.write(digest + rest)


def _check_seal(file: BinaryIO, path: Path) -> bool:
    """Whether the file has a seal; InputError if it does not fit."""
    footer = _footer(file)
    if footer is None or footer < _SEAL:
        return False
    file.seek(footer - _SEAL)
    seal, rest = file.read(_SEAL), file.read()
    if not seal.startswith(_MARK):
        return False
    file.seek(0)
    if _digest(file, footer - 32, rest) != seal.removeprefix(_MARK):
        raise InputError(f"{path} is damaged (its bytes do not give its checksum); write it again, or restore a copy")
    return True


def _digest(file: BinaryIO, length: int, rest: bytes) -> bytes:
    digest = hashlib.sha256()
    while length and (data := file.read(min(length, _CHUNK))):
        digest.update(data)
        length -= len(data)
    digest.update(rest)
    return digest.digest()


def _footer(file: BinaryIO) -> int | None:
    """Where the footer begins; None if the file does not end as Parquet does."""
    size = file.seek(0, 2)
    if size < _TAIL:
        return None
    file.seek(size - _TAIL)
    tail = file.read(_TAIL)
    start = size - _TAIL - int.from_bytes(tail[:4], "little")
    return start if tail[4:] == b"PAR1" and start >= 4 else None
