"""Pictures that stay in Parquet files are read in one go where their rows follow each other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from syntrans.images import parquet
from syntrans.images.image_set import open_images
from syntrans.images.reference import ImageRef


@pytest.fixture
def two_files(tmp_path: Path, png: Callable[[int], bytes]) -> Path:
    for file in range(2):
        rows = [{"bytes": png(10 * file + i), "path": None} for i in range(6)]
        table = pa.table({"image": rows, "label": ["a", "b"] * 3})
        pq.write_table(table, tmp_path / f"{file}.parquet", row_group_size=2)
    return tmp_path


def test_streamed_pictures_are_the_same_in_the_same_order(
    two_files: Path, png: Callable[[int], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    refs = [*open_images(two_files).refs, ImageRef("", "", lambda: png(99), "elsewhere")]
    expected = [ref.load() for ref in refs]
    reads = []
    read = parquet.read

    def counted(path: Path, rows: list[int], *columns: Any) -> object:
        reads.append((path.name, rows))
        return read(path, rows, *columns)

    monkeypatch.setattr(parquet, "read", counted)
    streamed = list(parquet.streamed(refs))
    assert [ref.load() for ref in streamed] == expected
    assert [ref.origin for ref in streamed] == [ref.origin for ref in refs]
    assert reads == [(f"{file}.parquet", rows) for rows in ([0, 2, 4], [1, 3, 5]) for file in range(2)]
