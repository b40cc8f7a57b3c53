"""Sealed Parquet: the rows come back, any other reader sees an ordinary file, a changed byte is noticed."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syntrans.errors import InputError
from syntrans.files.sealed_parquet import column_names, read_sealed, sealed_writer, write_sealed

TABLES = st.builds(
    lambda rows: pa.table({"text": pa.array([t for t, _ in rows], pa.string()), "n": [n for _, n in rows]}),
    st.lists(st.tuples(st.none() | st.text(max_size=9), st.integers(-9, 9)), min_size=1, max_size=20),
)
TABLE = pa.table({"text": ["a red beak", "long legs"], "n": [1, 2]})


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sealed") / "rows.parquet"


@given(table=TABLES)
@settings(max_examples=30)
def test_rows_come_back_as_they_were_here_and_in_any_other_reader(table: pa.Table, file: Path) -> None:
    write_sealed(file, table, row_group_size=7)
    assert read_sealed(file).equals(table)
    assert pq.read_table(file).equals(table)
    assert [path.name for path in file.parent.iterdir()] == [file.name]


@given(place=st.integers(0, 10**6), mask=st.integers(1, 255))
@settings(max_examples=60)
def test_any_changed_byte_is_noticed(place: int, mask: int, file: Path) -> None:
    write_sealed(file, TABLE)
    data = bytearray(file.read_bytes())
    data[place % len(data)] ^= mask
    file.write_bytes(data)
    try:
        read_back = read_sealed(file)
    except InputError:
        return
    assert read_back.equals(TABLE)  # where the mark was hit: then it is a file without a seal


@given(length=st.integers(0, 400))
@settings(max_examples=30)
def test_a_file_that_was_cut_short_is_no_file(length: int, file: Path) -> None:
    write_sealed(file, TABLE)
    file.write_bytes(file.read_bytes()[: length % file.stat().st_size])
    with pytest.raises(InputError):
        read_sealed(file)


def test_a_file_that_another_program_wrote_is_read(file: Path) -> None:
    pq.write_table(TABLE, file)
    assert read_sealed(file).equals(TABLE)
    assert read_sealed(file, ["n"]).column_names == ["n"]
    assert column_names(file) == ["text", "n"]


def test_a_writer_that_fails_leaves_the_file_that_was_there(file: Path) -> None:
    write_sealed(file, TABLE)
    with pytest.raises(KeyboardInterrupt), sealed_writer(file, TABLE.schema) as writer:
        writer.write_table(TABLE.slice(0, 1))
        raise KeyboardInterrupt
    assert read_sealed(file).equals(TABLE)


def test_metadata_goes_with_the_file(file: Path) -> None:
    with sealed_writer(file, TABLE.schema, metadata={"run": "one"}) as writer:
        writer.write_table(TABLE)
    assert read_sealed(file).schema.metadata[b"run"] == b"one"


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no table at all" * 9])
def test_what_is_no_parquet_is_named(content: bytes, file: Path) -> None:
    file.write_bytes(content)
    for read in (read_sealed, column_names):
        with pytest.raises(InputError, match="rows.parquet"):
            read(file)
