"""Write the two Parquet files of the contract: checked, sorted by class, completely or not at all."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from syntrans.contract.identity import one_identity
from syntrans.contract.parquet import in_class_order, to_pairs, write_rows
from syntrans.contract.schemas import DESCRIPTOR_SCHEMA, semantics_schema
from syntrans.errors import InputError

if TYPE_CHECKING:
    from syntrans.contract.rows import DescriptorRow, FileMetadata, SemanticsRow


def write_descriptors(path: str | Path, rows: Iterable[DescriptorRow], meta: FileMetadata) -> Path:
    """Write ``rows``, sorted by class id (otherwise in the given order), completely or not at all.

    A list is sorted here; an iterator must come sorted, and is written as it comes, however long it is.
    InputError where one class id has two names, or one name two ids without definitions.
    """
    checked = one_identity(Path(path), in_class_order(rows), meta.notes)
    write_rows(Path(path), checked, DESCRIPTOR_SCHEMA, to_pairs(meta))
    return Path(path)


def write_semantics(path: str | Path, rows: Iterable[SemanticsRow], meta: FileMetadata) -> Path:
    """Write one row per class, in an order as of `write_descriptors`.

    InputError when there is none, or when embeddings differ in length.
    """
    ordered = one_identity(Path(path), in_class_order(rows), meta.notes)
    first = next(ordered, None)
    dim = len(first.embedding) if first else 0

    def checked() -> Iterator[SemanticsRow]:
        for row in itertools.chain([first] if first else [], ordered):
            if len(row.embedding) != dim:
                raise InputError(f"{path}: embeddings of lengths {dim} and {len(row.embedding)}; one length for all")
            yield row

    if first is None:
        raise InputError(f"{path}: there is no class; one at least")
    write_rows(Path(path), checked(), semantics_schema(dim), to_pairs(meta))
    return Path(path)
