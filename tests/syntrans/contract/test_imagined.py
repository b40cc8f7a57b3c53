"""imagined.parquet: what is written is read, by us and by others; what breaks the contract is said."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from syntrans.contract.imagined import IMAGINED_REASONS, IMAGINED_SCHEMA, ImaginedRow, read_imagined, write_imagined
from syntrans.errors import InputError

LATENT = np.arange(36, dtype=np.float16).reshape(4, 3, 3)
ROW = ImaginedRow(
    class_id="w001", class_name="drimax", picture_id="0" * 16, prompt="a picture of a star", descriptor_ids=("a", "b"),
    seed=2**59 + 1, image=b"png", latent=LATENT, similarity=0.25, margin=-0.5, neighbour="w002", reason="other_class",
    model="folder", revision="r",
)  # fmt: skip
NOTHING = replace(
    ROW, image=None, latent=None, similarity=None, margin=None, neighbour=None, reason="not_a_number", descriptor_ids=()
)


def test_rows_come_back_as_they_were(tmp_path: Path) -> None:
    write_imagined(tmp_path / "i.parquet", [ROW, NOTHING], {"model": "folder"})
    (first, second), meta = read_imagined(tmp_path / "i.parquet")
    np.testing.assert_array_equal(first.latent, LATENT)
    assert replace(first, latent=None) == replace(ROW, latent=None)
    assert second == NOTHING
    assert not first.kept
    assert (meta["schema_version"], meta["model"]) == ("1", "folder")


def test_others_read_it_with_the_declared_types(tmp_path: Path) -> None:
    write_imagined(tmp_path / "i.parquet", [ROW], {})
    table = pq.read_table(tmp_path / "i.parquet")
    assert table.schema.equals(IMAGINED_SCHEMA)
    assert table["image"][0].as_py() == {"bytes": b"png", "path": f"{'0' * 16}.png"}
    assert ROW.reason in IMAGINED_REASONS


def test_a_latent_that_is_not_of_its_shape_is_said(tmp_path: Path) -> None:
    write_imagined(tmp_path / "i.parquet", [ROW], {})
    table = pq.read_table(tmp_path / "i.parquet")
    column = table.schema.get_field_index("latent_shape")
    wrong = table.set_column(column, IMAGINED_SCHEMA.field("latent_shape"), pa.array([[4, 3, 2]], pa.list_(pa.int32())))
    pq.write_table(wrong, tmp_path / "wrong.parquet")
    with pytest.raises(InputError, match=r"row 0: latent of shape \[4, 3, 2\]"):
        read_imagined(tmp_path / "wrong.parquet")


def test_a_column_that_is_missing_is_named(tmp_path: Path) -> None:
    write_imagined(tmp_path / "i.parquet", [ROW], {})
    pq.write_table(pq.read_table(tmp_path / "i.parquet").drop_columns(["latent"]), tmp_path / "less.parquet")
    with pytest.raises(InputError, match="missing: latent"):
        read_imagined(tmp_path / "less.parquet")
