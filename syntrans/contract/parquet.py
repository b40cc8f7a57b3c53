"""Strict Parquet: a declared schema on the way out, the same schema demanded on the way in."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pyarrow as pa
from pydantic import BaseModel, ValidationError

from syntrans.config import first_problem
from syntrans.errors import InputError
from syntrans.files.input_files import parse_json
from syntrans.files.sealed_parquet import read_sealed, sealed_writer, write_sealed


class _OfClass(Protocol):
    @property
    def class_id(self) -> str: ...


M = TypeVar("M", bound=BaseModel)
R = TypeVar("R", bound=_OfClass)
ROW_GROUP = 1024
Migration = Callable[[pa.Table], pa.Table]


def write_table(path: Path, table: pa.Table, metadata: Mapping[str, str]) -> None:
    """Write ``table`` with key-value ``metadata``, zstd, completely or not at all."""
    write_sealed(path, table.replace_schema_metadata(dict(metadata)))


def write_rows(path: Path, rows: Iterator[BaseModel], schema: pa.Schema, metadata: Mapping[str, str]) -> None:
    """Write ``rows`` as they come, a group of ROW_GROUP at a time: as `write_table`, in little memory."""
    groups = iter(lambda: [row.model_dump() for row in itertools.islice(rows, ROW_GROUP)], [])
    with sealed_writer(path, schema, metadata=metadata) as writer:
        for group in groups:
            writer.write_table(rows_to_table(group, schema))


def in_class_order(rows: Iterable[R]) -> Iterator[R]:
    """``rows`` by class id: a list sorted, an iterator as it comes; ValueError if that is not sorted."""
    if isinstance(rows, Sequence):
        yield from sorted(rows, key=lambda row: row.class_id)
        return
    before = ""
    for row in rows:
        if row.class_id < before:
            raise ValueError(f"class {row.class_id!r} comes after {before!r}: give a list, or sort")
        before = row.class_id
        yield row


def read_table(
    path: Path, schema_of: Callable[[pa.Schema], pa.Schema], version: int, migrations: Mapping[int, Migration]
) -> tuple[pa.Table, dict[str, str]]:
    """Read a file of ours, lifted to schema ``version`` if it is older, and its key-value metadata.

    ``schema_of`` gives the schema demanded of a file with these columns. InputError names missing, extra and
    mistyped columns, and says when the file is not Parquet, not ours, or newer than this program.
    """
    table = read_sealed(path)
    try:
        metadata = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is damaged (its metadata is not text); write it again") from error
    written = metadata.get("schema_version", "")
    if not written.isdecimal() or len(written) > 9:
        raise InputError(f"{path} is Parquet, but not of syntrans (its metadata lacks schema_version)")
    file_version = int(written)
    if file_version > version:
        raise InputError(
            f"{path} has schema_version {file_version}, this program reads up to {version}; update syntrans"
        )
    for step in range(file_version, version):
        if step not in migrations:
            raise InputError(
                f"{path} has schema_version {file_version}, too old to be read; write it again with `syntrans`"
            )
        table = migrations[step](table)
    wanted = schema_of(table.schema)
    check_schema(path, table.schema, wanted)
    return table.select(wanted.names), {**metadata, "schema_version": str(version)}


def check_schema(path: Path, schema: pa.Schema, wanted: pa.Schema) -> None:
    """InputError naming every column that is missing, extra, mistyped or given twice."""
    missing = [name for name in wanted.names if name not in schema.names]
    extra = [name for name in schema.names if name not in wanted.names]
    mistyped = [
        f"{name} is {schema.field(name).type}, must be {wanted.field(name).type}"
        for name in wanted.names
        if schema.names.count(name) == 1 and not schema.field(name).type.equals(wanted.field(name).type)
    ]
    repeated = sorted({name for name in schema.names if schema.names.count(name) > 1})
    lists = (("missing", missing), ("extra", extra), ("mistyped", mistyped), ("repeated", repeated))
    problems = [f"{label}: {', '.join(names)}" for label, names in lists if names]
    if problems:
        raise InputError(f"{path} does not keep the contract; columns {'; '.join(problems)} (see artifacts/README.md)")


def rows_to_table(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    """A table of ``schema`` from plain dictionaries; never infers a type."""
    columns = []
    for field in schema:
        values = [row[field.name] for row in rows]
        # pyarrow makes no dictionary array with a given index type from Python objects: encode, then cast.
        if pa.types.is_dictionary(field.type):
            columns.append(pa.array(values, pa.string()).dictionary_encode().cast(field.type))
        else:
            columns.append(pa.array(values, field.type))
    return pa.Table.from_arrays(columns, schema=schema)


def read_rows(path: Path, table: pa.Table, model: type[M]) -> list[M]:
    """The rows of a file's table as objects; InputError names the first that is none."""
    rows: list[M] = []
    for batch in table.to_batches(ROW_GROUP):  # plain values of all rows at once would be several times the objects
        for values in batch.to_pylist():
            try:
                rows.append(model.model_validate(values))
            except ValidationError as error:
                raise InputError(f"{path}, row {len(rows)}: {first_problem(error)}; write the file again") from error
    return rows


def to_pairs(meta: BaseModel) -> dict[str, str]:
    """Metadata as key-value pairs: texts as they are, everything else as JSON; what is None is left out."""
    values = meta.model_dump(mode="json", exclude_none=True)
    return {
        key: value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
        for key, value in values.items()
    }


def from_pairs(path: Path, pairs: Mapping[str, str], model: type[M]) -> M:
    """The metadata of a file; keys that are not ours (Arrow's, pandas') are passed over."""
    fields = model.model_fields
    try:
        values = {
            key: text if fields[key].annotation in (str, str | None) else parse_json(text)
            for key, text in pairs.items()
            if key in fields
        }
        return model.model_validate(values)
    except ValidationError as error:
        raise InputError(f"{path}: metadata {first_problem(error)}; write the file again") from error
    except ValueError as error:
        raise InputError(f"{path}: metadata is not JSON ({error}); write the file again") from error
