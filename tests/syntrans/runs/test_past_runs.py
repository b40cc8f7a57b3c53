"""A wreck of an old run never blocks new work: it is passed over, with a line."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest
from PIL import Image

from syntrans.cli.inputs import fitting_descriptors
from syntrans.contract.rows import DescriptorRow, FileMetadata, descriptor_id
from syntrans.contract.writing import write_descriptors
from syntrans.paths import newest
from syntrans.runs import past_runs
from syntrans.runs.folder import run_dir
from syntrans_training.config.data import DataConfig

TORN = ["", '{"hash": "a', "[1]", "null", '"hash"', "[" * 10_000, "\x00\xff", '{"hash": 3}', '{"config": {}}']
REQUEST = {"seed": 1}


def wreck(artifacts: Path, kind: str, name: str, filename: str, content: str) -> Path:
    folder = artifacts / kind / name
    folder.mkdir(parents=True)
    (folder / filename).write_text(content, encoding="latin-1")
    return folder


def ibises(folder: Path) -> DataConfig:
    """Pictures of one class."""
    (folder / "ibis").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(folder / "ibis" / "0.png")
    return DataConfig(path=str(folder))


@pytest.mark.parametrize("content", TORN)
@pytest.mark.parametrize("kind", ["mine", "train"])
def test_a_torn_or_foreign_request_is_passed_over(content: str, kind: str, artifacts: Path) -> None:
    old = wreck(artifacts, kind, "20260101-000000-aaaa", "request.json", content)
    folder = run_dir(kind, None, REQUEST, "done.json", resume=True)
    assert folder != old
    assert run_dir(kind, None, REQUEST, "done.json", resume=True) == folder  # and the new one is found again


def test_a_torn_request_is_said_once(artifacts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wreck(artifacts, "mine", "20260101-000000-aaaa", "request.json", '{"hash": "a')
    run_dir("mine", None, REQUEST, "done.json", resume=True)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "passed over" in lines[0]
    assert "20260101-000000-aaaa" in lines[0]


def test_empty_folders_and_folders_in_the_place_of_files_are_passed_over(artifacts: Path) -> None:
    (artifacts / "mine" / "empty").mkdir(parents=True)
    (artifacts / "mine" / "odd" / "request.json").mkdir(parents=True)
    (artifacts / "mine" / "odd2" / "descriptors.parquet").mkdir(parents=True)
    (artifacts / "train" / "odd" / "train.json").mkdir(parents=True)
    assert run_dir("mine", None, REQUEST, "done.json", resume=True).name not in ("empty", "odd")
    assert fitting_descriptors(ibises(artifacts / "pictures")) is None
    assert newest("train", "train.json") is None


def test_a_run_that_may_not_be_written_is_passed_over(artifacts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run_dir("mine", None, REQUEST, "done.json", resume=True)
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != first)
    assert run_dir("mine", None, REQUEST, "done.json", resume=True) != first


def test_a_folder_that_may_not_be_looked_at_is_passed_over(artifacts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wreck(artifacts, "train", "closed", "train.json", "{}")
    wreck(artifacts, "train", "open", "train.json", "{}")
    is_file = Path.is_file

    def refuse(path: Path) -> bool:
        if path.parent.name == "closed":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return is_file(path)

    monkeypatch.setattr(Path, "is_file", refuse)
    assert newest("train", "train.json") == artifacts / "train" / "open" / "train.json"


def test_a_damaged_newer_descriptor_file_gives_way_to_an_older_one(
    artifacts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = DescriptorRow(
        class_id="ibis", class_name="ibis", descriptor_id=descriptor_id("ibis", "a bill"), text="a bill",
        facet="part", authors=[], kept=True,
    )  # fmt: skip
    good = artifacts / "mine" / "old" / "descriptors.parquet"
    write_descriptors(good, [row], FileMetadata(run_id="old", class_list_sha256="0" * 64))
    data = bytearray(good.read_bytes())
    data[len(data) // 2] ^= 4
    bad = wreck(artifacts, "import", "new", "descriptors.parquet", "") / "descriptors.parquet"
    bad.write_bytes(bytes(data))
    os.utime(bad, (2e9, 2e9))
    chosen = fitting_descriptors(ibises(artifacts / "pictures"))
    assert chosen is not None
    assert chosen.what == str(good)
    assert "passed over" in capsys.readouterr().err


def test_a_torn_report_of_a_training_gives_way_to_an_older_one(artifacts: Path) -> None:
    good = wreck(artifacts, "train", "old", "train.json", json.dumps({"config": {}})) / "train.json"
    bad = wreck(artifacts, "train", "new", "train.json", '{"config"') / "train.json"
    os.utime(bad, (2e9, 2e9))
    assert past_runs.newest_readable(["train"], "train.json", past_runs.is_json_object) == good
