"""The answers of `syntrans predict` as data of the page."""

import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from syntrans.views.report import prediction
from syntrans.views.report.prediction import prediction_part


def encoded(shade: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (300, 300), (shade, 0, 0)).save(out, format="PNG")
    return out.getvalue()


def shown(path: str, status: str = "named") -> dict[str, Any]:
    keys = ("class", "probability", "top", "prediction_set")
    return {"path": path, "status": status, **dict.fromkeys(keys)}


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    """Three pictures in a file; the second is broken."""
    path = tmp_path / "new.parquet"
    images = [{"bytes": data, "path": None} for data in (encoded(10), b"", encoded(200))]
    pq.write_table(pa.table({"image": images}), path)
    return path


def test_pictures_in_files_and_in_parquet_are_shown_beside_their_answers(tmp_path: Path, parquet: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(encoded(90))
    paths = [f"{parquet}, row 2", str(file), f"{parquet}, row 0", f"{parquet}, row 1", str(tmp_path / "gone.png")]
    answers = prediction_part([shown(path) for path in paths], "names", "names.csv")["answers"]
    pictures = {answer["path"]: answer["picture"] for answer in answers}
    assert [pictures[path] is None for path in paths] == [False, False, False, True, True]
    assert len({pictures[path] for path in paths[:3]}) == 3


def test_unsure_pictures_are_large_until_they_fill_their_room(parquet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [f"{parquet}, row {row}" for row in (0, 2)]
    monkeypatch.setattr(prediction, "LARGE_BYTES", 1)
    part = prediction_part([shown(path, "unsure") for path in paths], "names", "names.csv")
    large, small = (answer["picture"] for answer in part["answers"])
    assert len(large) > len(small)
    assert "Only 1 of 2 unsure pictures are at full size." in part["limits"]
