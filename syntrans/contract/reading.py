"""Read and check the two Parquet files of the contract, those of earlier versions too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from syntrans.contract.migrations import MIGRATIONS
from syntrans.contract.parquet import from_pairs, read_rows, read_table
from syntrans.contract.rows import SCHEMA_VERSION, DescriptorRow, FileMetadata, SemanticsRow, descriptor_id
from syntrans.contract.schemas import DESCRIPTOR_SCHEMA, semantics_schema
from syntrans.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

Row = TypeVar("Row", DescriptorRow, SemanticsRow)


def read_descriptor_table(path: str | Path) -> pa.Table:
    """The checked table, without making objects of its rows."""
    return read_table(Path(path), _schema_of_descriptors, SCHEMA_VERSION, MIGRATIONS)[0]


def read_metadata(path: str | Path) -> FileMetadata:
    """The metadata of a ``descriptors.parquet`` whose columns keep the contract; its rows are not looked at."""
    pairs = read_table(Path(path), _schema_of_descriptors, SCHEMA_VERSION, MIGRATIONS)[1]
    return from_pairs(Path(path), pairs, FileMetadata)


def read_descriptors(path: str | Path) -> tuple[list[DescriptorRow], FileMetadata]:
    """Rows and metadata of a ``descriptors.parquet``; InputError if the file does not keep the contract."""
    rows, meta = _read(Path(path), _schema_of_descriptors, DescriptorRow)
    for number, row in enumerate(rows):
        if not _has_own_id(row):
            rule = "it is not the id of class and text"
            raise InputError(f"{path}, row {number}: descriptor_id {row.descriptor_id}: {rule}; write the file again")
    return rows, meta


def read_semantics(path: str | Path) -> tuple[list[SemanticsRow], FileMetadata]:
    """Rows and metadata of a ``semantics.parquet``; InputError if the file does not keep the contract."""
    return _read(Path(path), _schema_of_semantics, SemanticsRow)


def check_file(path: str | Path) -> None:
    """InputError unless ``path`` is one of the two files and every row keeps the contract."""
    if Path(path).name.startswith("semantics"):
        read_semantics(path)
    else:
        read_descriptors(path)


def _schema_of_descriptors(_found: pa.Schema) -> pa.Schema:
    return DESCRIPTOR_SCHEMA


def _schema_of_semantics(schema: pa.Schema) -> pa.Schema:
    embedding = schema.field("embedding").type if "embedding" in schema.names else None
    return semantics_schema(getattr(embedding, "list_size", 1))


def _read(path: Path, schema_of: Callable[[pa.Schema], pa.Schema], model: type[Row]) -> tuple[list[Row], FileMetadata]:
    table, pairs = read_table(path, schema_of, SCHEMA_VERSION, MIGRATIONS)
    return read_rows(path, table, model), from_pairs(path, pairs, FileMetadata)


def _has_own_id(row: DescriptorRow) -> bool:
    # Early files gave a dropped row the id of its text before unseen characters were taken out of it.
    return row.descriptor_id == descriptor_id(row.class_id, row.text) or not (row.kept or row.text.isascii())
