"""What `syntrans predict` says of its task before it answers."""

import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from prediction_world import COLOURS, Words, opened, photo, predict, write_task

from syntrans.cli.app import run
from syntrans_training.prediction import task
from syntrans_training.prediction.encoders.choose import LazyText


@pytest.fixture(autouse=True)
def colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """The encoder at hand sees colours, and reads their names."""
    monkeypatch.setattr(task, "open_image_encoder", lambda _ref: opened(LazyText("words", Words)))
    monkeypatch.setattr(task, "require_packages", lambda _ref: None)


def test_a_broken_support_is_named_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    support, query = write_task(tmp_path, shots=2, queries=1)
    (support / "red" / "torn.png").write_bytes(b"\x89PNG")
    _, _, err = predict(capsys, "--support", support, "--query", query)
    (line,) = (line for line in err.splitlines() if "support left out" in line)
    assert line.count("torn.png") == 1


def test_pictures_that_are_supports_themselves_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    support, query = write_task(tmp_path, shots=2, queries=1)
    assert "among the supports" not in predict(capsys, "--support", support, "--query", query)[2]
    (query / "known.png").write_bytes((support / "red" / "0.png").read_bytes())
    _, _, err = predict(capsys, "--support", support, "--query", query)
    assert "1 of the pictures is among the supports" in err


def test_one_class_is_counted_as_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    support, query = write_task(tmp_path, shots=2, queries=1)
    for colour in ("red", "blue"):
        for file in (support / colour).iterdir():
            file.unlink()
    _, _, err = predict(capsys, "--support", support, "--query", query)
    assert "2 pictures of 1 class)" in err


def test_pictures_of_parquet_are_said_to_stay_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    support, _ = write_task(tmp_path, shots=1, queries=1)
    pq.write_table(pa.table({"image": [{"bytes": photo("blue", 7), "path": None}]}), tmp_path / "new.parquet")
    sort = ("--sort-into", tmp_path / "sorted")
    _, _, err = predict(capsys, "--support", support, "--query", tmp_path / "new.parquet", *sort)
    assert f"sorted 0 pictures into {tmp_path / 'sorted'}; 1 row of Parquet is no file to copy" in err


def test_classes_without_pictures_are_told_to_need_some_before_none_of_them_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, query = write_task(tmp_path, shots=1, queries=1)
    (tmp_path / "list.txt").write_text("red\nblue\n")
    _, _, err = predict(capsys, "--classes", tmp_path / "list.txt", "--query", query)
    assert "pictures of no class are not found: that needs pictures of the classes" in err


def test_an_older_file_that_has_all_classes_goes_before_a_newer_one_that_has_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], artifacts: Path
) -> None:
    support, query = write_task(tmp_path, shots=1, queries=1)
    for age, (name, classes) in enumerate([("other", ["wren"]), ("colours", COLOURS), ("older", COLOURS)]):
        source = tmp_path / f"{name}.json"
        source.write_text(json.dumps({one: [f"it is {one}"] for one in classes}))
        out = artifacts / "import" / name
        assert run(["import", str(source), "--format", "dclip", "--out", str(out)]) == 0
        os.utime(out / "descriptors.parquet", (1e9 - age, 1e9 - age))
    _, _, err = predict(capsys, "--support", support, "--query", query)
    file = artifacts / "import" / "colours" / "descriptors.parquet"
    assert f"descriptors: {file} (the newest that has all of these classes)" in err
