"""The golden files: the contract as it lies on users' disks."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from syntrans.contract.reading import check_file, read_descriptor_table, read_descriptors, read_semantics
from syntrans.contract.schemas import DESCRIPTOR_SCHEMA, semantics_schema

ASSETS = Path(__file__).resolve().parent / "assets"
DESCRIPTORS = ASSETS / "descriptors.parquet"


@pytest.fixture(scope="module")
def golden() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_golden", ASSETS.parent / "make_golden.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_golden_descriptors_read_as_the_rows_that_made_them(golden: ModuleType) -> None:
    rows, meta = read_descriptors(DESCRIPTORS)
    assert rows == sorted(golden.rows(), key=lambda row: row.class_id)
    assert meta == golden.META


def test_golden_semantics_read_as_the_rows_that_made_them(golden: ModuleType) -> None:
    rows, meta = read_semantics(ASSETS / "semantics.parquet")
    assert rows == sorted(golden.semantics(), key=lambda row: row.class_id)
    assert meta == golden.META


def test_golden_schemas_are_those_declared() -> None:
    assert pq.read_schema(DESCRIPTORS).remove_metadata().equals(DESCRIPTOR_SCHEMA)
    assert pq.read_schema(ASSETS / "semantics.parquet").remove_metadata().equals(semantics_schema(3))


def test_writing_the_golden_rows_again_gives_the_same_table(golden: ModuleType, tmp_path: Path) -> None:
    path = golden.write_descriptors(tmp_path / "descriptors.parquet", golden.rows(), golden.META)
    assert read_descriptor_table(path).equals(read_descriptor_table(DESCRIPTORS))


def test_both_golden_files_pass_the_check() -> None:
    check_file(DESCRIPTORS)
    check_file(ASSETS / "semantics.parquet")


def test_files_of_version_1_read_as_rows_without_what_they_did_not_know(golden: ModuleType) -> None:
    known = [row.model_dump(exclude={"contrast_with", "duplicate_of"}) for row in golden.rows()]
    for row in known:
        row["votes"] = [{**vote, "p_calibrated": None} for vote in row["votes"]]
        row["reason"] = {"duplicate_of": "not_visual"}.get(row["reason"], row["reason"])
    rows, meta = read_descriptors(ASSETS / "v1" / "descriptors.parquet")
    assert [row.model_dump(exclude={"contrast_with", "duplicate_of"}) for row in rows] == sorted(
        known, key=lambda row: row["class_id"]
    )
    assert {(row.contrast_with, row.duplicate_of) for row in rows} == {(None, None)}
    assert meta == golden.META
    semantics, meta = read_semantics(ASSETS / "v1" / "semantics.parquet")
    assert semantics == sorted(golden.semantics(), key=lambda row: row.class_id)
    assert meta == golden.META


def test_files_are_compressed_with_zstd_and_sorted_by_class() -> None:
    with pq.ParquetFile(DESCRIPTORS) as file:
        group = file.metadata.row_group(0)
        assert {group.column(i).compression for i in range(group.num_columns)} == {"ZSTD"}
        ids = file.read(columns=["class_id"]).column(0).to_pylist()
    assert ids == sorted(ids)


def test_metadata_is_plain_key_value_pairs_that_any_tool_can_read() -> None:
    pairs = pq.read_schema(DESCRIPTORS).metadata
    assert pairs[b"schema_version"] == b"2"
    assert pairs[b"run_id"] == b"20260101-120000-ab12"
    assert pairs[b"config"] == b'{"llms": ["a", "b"], "seed": 7}'


def test_pandas_reads_the_golden_file() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_parquet(DESCRIPTORS)
    assert frame.columns.to_list() == DESCRIPTOR_SCHEMA.names
    assert frame["facet"].dtype.name == "category"


def test_polars_reads_the_golden_file() -> None:
    polars = pytest.importorskip("polars", reason="polars is no dependency of ours")
    assert polars.read_parquet(DESCRIPTORS).columns == DESCRIPTOR_SCHEMA.names


def test_duckdb_reads_the_golden_file() -> None:
    duckdb = pytest.importorskip("duckdb", reason="duckdb is no dependency of ours")
    query = f"select text from '{DESCRIPTORS}' where kept and clip.margin > 0"
    assert duckdb.sql(query).fetchall() == [("a yellow body",)]


@pytest.mark.slow
def test_datasets_loads_the_golden_file_without_code_of_ours(tmp_path: Path) -> None:
    import datasets

    files = {"train": str(DESCRIPTORS)}
    loaded = datasets.load_dataset("parquet", data_files=files, cache_dir=str(tmp_path))["train"]
    assert loaded.column_names == DESCRIPTOR_SCHEMA.names
    assert loaded[2]["votes"][0]["model"] == "org/llm-c"
    assert loaded.filter(lambda row: row["kept"]).num_rows == 2


def test_arrow_reads_strings_out_of_the_dictionary_columns() -> None:
    facets = pq.read_table(DESCRIPTORS)["facet"].cast(pa.string()).to_pylist()
    assert facets == ["part", "size", "colour", "other"]
