"""Files of older schema versions, lifted step by step to the present one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    from syntrans.contract.parquet import Migration

_VOTES_1 = pa.list_(
    pa.field("element", pa.struct({"model": pa.string(), "revision": pa.string(), "p_yes": pa.float32()}))
)


def _to_2(table: pa.Table) -> pa.Table:
    """Votes gain ``p_calibrated``, rows ``contrast_with`` and ``duplicate_of``, all null; semantics stay so."""
    if "votes" not in table.column_names or not table.schema.field("votes").type.equals(_VOTES_1):
        return table  # no descriptors, or none of ours: the check of the columns that follows says which is wrong
    votes = table["votes"].combine_chunks()
    said = votes.values
    columns = [said.field(number) for number in range(said.type.num_fields)]
    names = [said.type.field(number).name for number in range(said.type.num_fields)]
    calibrated = pa.StructArray.from_arrays([*columns, pa.nulls(len(said), pa.float32())], [*names, "p_calibrated"])
    kind = pa.list_(pa.field("element", calibrated.type))
    lists = pa.ListArray.from_arrays(votes.offsets, calibrated, type=kind)
    table = table.set_column(table.column_names.index("votes"), "votes", lists)
    for name in ("contrast_with", "duplicate_of"):
        table = table.append_column(name, pa.nulls(table.num_rows, pa.string()))
    return table


MIGRATIONS: dict[int, Migration] = {1: _to_2}
"""From schema version n to n + 1, for both files."""
