"""What the readers and writers of the contract promise."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import BaseModel, ValidationError

from syntrans.contract.migrations import MIGRATIONS
from syntrans.contract.reading import check_file, read_descriptor_table, read_descriptors, read_semantics
from syntrans.contract.rows import (
    REASONS,
    Author,
    Clip,
    DescriptorRow,
    FileMetadata,
    Grounding,
    SemanticsRow,
    Vote,
    descriptor_id,
)
from syntrans.contract.schemas import DESCRIPTOR_SCHEMA, semantics_schema
from syntrans.contract.writing import write_descriptors, write_semantics
from syntrans.errors import EnvironmentProblem, InputError

GOLDEN = Path(__file__).resolve().parent / "assets" / "descriptors.parquet"
META = FileMetadata(run_id="r", class_list_sha256="0" * 64)


@pytest.mark.parametrize(
    ("model", "schema"),
    [(DescriptorRow, DESCRIPTOR_SCHEMA), (SemanticsRow, semantics_schema(2))],
)
def test_models_and_schemas_have_the_same_fields(model: type[BaseModel], schema: pa.Schema) -> None:
    assert list(model.model_fields) == schema.names


@pytest.mark.parametrize(
    ("model", "column"), [(Author, "authors"), (Vote, "votes"), (Grounding, "grounding"), (Clip, "clip")]
)
def test_nested_models_and_structs_have_the_same_fields(model: type[BaseModel], column: str) -> None:
    kind = DESCRIPTOR_SCHEMA.field(column).type
    struct = kind.value_type if pa.types.is_list(kind) else kind
    assert list(model.model_fields) == [field.name for field in struct]


def rewritten(tmp_path: Path, change: Any, metadata: dict[bytes, bytes] | None = None) -> Path:
    """The golden file after ``change`` of its table."""
    table = pq.read_table(GOLDEN)
    kept = table.schema.metadata if metadata is None else metadata
    path = tmp_path / "descriptors.parquet"
    pq.write_table(change(table).replace_schema_metadata(kept), path)
    return path


def test_a_missing_column_is_refused_by_name(tmp_path: Path) -> None:
    path = rewritten(tmp_path, lambda table: table.drop_columns(["votes", "rank"]))
    with pytest.raises(InputError, match=r"missing: votes, rank"):
        read_descriptors(path)


def test_an_extra_column_is_refused_by_name(tmp_path: Path) -> None:
    path = rewritten(tmp_path, lambda table: table.append_column("note", pa.nulls(table.num_rows)))
    with pytest.raises(InputError, match=r"extra: note"):
        read_descriptors(path)


def test_a_mistyped_column_is_refused_with_both_types(tmp_path: Path) -> None:
    def widen(table: pa.Table) -> pa.Table:
        place = table.column_names.index("weight")
        return table.set_column(place, "weight", table["weight"].cast(pa.float64()))

    with pytest.raises(InputError, match=r"mistyped: weight is double, must be float"):
        read_descriptors(rewritten(tmp_path, widen))


def test_a_column_given_twice_is_refused(tmp_path: Path) -> None:
    table = pq.read_table(GOLDEN)
    path = tmp_path / "descriptors.parquet"
    pq.write_table(table.append_column("text", table["text"]), path)
    with pytest.raises(InputError, match="repeated: text|Parquet"):
        read_descriptors(path)


def test_columns_in_another_order_are_put_in_order(tmp_path: Path) -> None:
    path = rewritten(tmp_path, lambda table: table.select(table.column_names[::-1]))
    assert read_descriptor_table(path).column_names == DESCRIPTOR_SCHEMA.names


def test_an_embedding_of_no_fixed_size_is_refused(tmp_path: Path) -> None:
    table = pq.read_table(GOLDEN.parent / "semantics.parquet")
    place = table.column_names.index("embedding")
    loose = table.set_column(place, "embedding", table["embedding"].cast(pa.list_(pa.float32())))
    pq.write_table(loose, tmp_path / "semantics.parquet")
    with pytest.raises(InputError, match="mistyped: embedding"):
        check_file(tmp_path / "semantics.parquet")


def test_a_value_outside_its_enum_is_refused_with_its_row(tmp_path: Path) -> None:
    def spoil(table: pa.Table) -> pa.Table:
        facets = pa.array(["smell"] * table.num_rows).dictionary_encode()
        return table.set_column(table.column_names.index("facet"), "facet", facets)

    with pytest.raises(InputError, match=r"row 0: facet: must be one of shape"):
        read_descriptors(rewritten(tmp_path, spoil))


def test_a_parquet_file_of_others_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="lacks schema_version"):
        read_descriptors(rewritten(tmp_path, lambda table: table, metadata={}))


@pytest.mark.parametrize("content", [b"", b"PAR1", b"class_id,text\n"])
def test_a_file_that_is_not_parquet_is_refused_by_name(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "descriptors.parquet"
    path.write_bytes(content)
    with pytest.raises(InputError, match="descriptors.parquet is not a readable Parquet file"):
        read_descriptors(path)


def test_a_file_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere.parquet is not a file"):
        read_descriptors(tmp_path / "nowhere.parquet")


def test_a_newer_schema_version_asks_for_an_update(tmp_path: Path) -> None:
    metadata = {**pq.read_schema(GOLDEN).metadata, b"schema_version": b"99"}
    with pytest.raises(InputError, match="schema_version 99, this program reads up to 2; update syntrans"):
        read_descriptors(rewritten(tmp_path, lambda table: table, metadata))


def test_an_older_file_is_migrated_step_by_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A version 0 that never was: `text` was called `descriptor`.
    table = pq.read_table(GOLDEN.parent / "v1" / "descriptors.parquet")
    metadata = {**table.schema.metadata, b"schema_version": b"0"}
    path = tmp_path / "descriptors.parquet"
    pq.write_table(table.rename_columns({"text": "descriptor"}).replace_schema_metadata(metadata), path)
    monkeypatch.setitem(MIGRATIONS, 0, lambda table: table.rename_columns({"descriptor": "text"}))
    rows, meta = read_descriptors(path)
    assert rows == read_descriptors(GOLDEN.parent / "v1" / "descriptors.parquet")[0]
    assert meta.schema_version == 2


def test_an_older_file_with_a_mistyped_column_is_refused_by_name(tmp_path: Path) -> None:
    table = pq.read_table(GOLDEN.parent / "v1" / "descriptors.parquet")
    path = tmp_path / "descriptors.parquet"
    votes = pa.array([0.5] * table.num_rows)
    pq.write_table(table.set_column(table.column_names.index("votes"), "votes", votes), path)
    with pytest.raises(InputError, match=r"missing: .*mistyped: votes is double"):
        read_descriptors(path)


def test_a_version_without_a_migration_is_refused(tmp_path: Path) -> None:
    metadata = {**pq.read_schema(GOLDEN).metadata, b"schema_version": b"0"}
    with pytest.raises(InputError, match="too old"):
        read_descriptors(rewritten(tmp_path, lambda table: table, metadata))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_disk_that_refuses_leaves_the_old_file_and_no_rest(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_descriptors(tmp_path / "descriptors.parquet", [], META)
    before = path.read_bytes()

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(EnvironmentProblem, match=r"cannot write .*descriptors.parquet"):
        write_descriptors(path, read_descriptors(GOLDEN)[0], META)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == ["descriptors.parquet"]


def test_an_iterator_is_written_as_it_comes_in_many_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syntrans.contract.parquet.ROW_GROUP", 3)
    rows = [DescriptorRow(**_minimal(f"{n // 4}"), kept=True, rank=n + 1) for n in range(10)]
    path = write_descriptors(tmp_path / "descriptors.parquet", iter(rows), META)
    assert pq.ParquetFile(path).num_row_groups == 4
    assert read_descriptors(path)[0] == rows
    with pytest.raises(ValueError, match="class '1' comes after '2'"):
        write_descriptors(path, iter(rows[::-4]), META)
    assert read_descriptors(path)[0] == rows


def test_embeddings_of_different_lengths_are_refused(tmp_path: Path) -> None:
    rows = [row.model_copy(update={"embedding": [0.0] * n}) for n, row in enumerate(_semantics(), start=1)]
    with pytest.raises(InputError, match=r"lengths 1 and 2"):
        write_semantics(tmp_path / "semantics.parquet", rows, META)


def test_a_kept_row_cannot_have_a_reason() -> None:
    with pytest.raises(ValidationError, match="neither stage nor reason"):
        DescriptorRow(**_minimal(), kept=True, stage="merge", reason="duplicate_of")


def test_a_dropped_row_must_have_a_reason() -> None:
    with pytest.raises(ValidationError, match="says stage and reason"):
        DescriptorRow(**_minimal(), kept=False)


def test_a_number_that_is_none_is_refused() -> None:
    with pytest.raises(ValidationError, match="finite"):
        DescriptorRow(**_minimal(), kept=True, weight=float("nan"))


def _minimal(class_id: str = "c") -> dict[str, Any]:
    return {
        "class_id": class_id,
        "class_name": f"C{class_id}",
        "descriptor_id": descriptor_id(class_id, "t"),
        "text": "t",
        "facet": "other",
        "authors": [],
    }


def _semantics() -> list[SemanticsRow]:
    return read_semantics(GOLDEN.parent / "semantics.parquet")[0]


def test_the_page_of_artifacts_lists_every_reason_and_no_other(repository: Path) -> None:
    page = (repository / "artifacts" / "README.md").read_text(encoding="utf-8")
    listed = page[page.index("Reasons:") : page.index("Files of version 1")]
    names = set(re.findall(r"`([a-z_]+)`", listed))
    assert names - {"text"} == set(REASONS)


def test_every_reason_is_given_by_some_step_but_that_of_people_and_one_of_other_files(repository: Path) -> None:
    code = "".join(path.read_text() for path in (repository / "mining").rglob("*.py"))
    assert {reason for reason in REASONS if f'"{reason}"' not in code} == {"not_visual", "vetoed"}
