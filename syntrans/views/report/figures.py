"""The figures of a training (`syntrans report TRAINING --figure all`) as data of the page: curves and points."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from syntrans.errors import InputError
from syntrans.files.input_files import read_json
from syntrans.files.sealed_parquet import read_sealed
from syntrans.views.report.columns import Numbered
from syntrans.views.report.provenance import facts_of

ALPHA, WEIGHTS = "alpha.json", "weights.json"


def figures_part(file: Path) -> dict[str, Any]:
    """The part of a folder with ``alpha.json`` or ``weights.json``, or both."""
    folder, rule = file.parent, "make the figures again"
    notes = [read_json(folder / name, rule) for name in (ALPHA, WEIGHTS) if (folder / name).is_file()]
    try:
        return {
            "kind": "figures",
            "title": f"Figures of {Path(notes[0]['checkpoint']).name}",
            "place": str(folder),
            "alpha": _rows(folder / "alpha.parquet"),
            "weights": _points(folder / "weights.parquet"),
            "numbers": [line for note in notes for line in note.get("numbers", ())],
            "chosen": [curve for note in notes for curve in note.get("curves", ())],
            "facts": [("training", str(notes[0]["checkpoint"])), *facts_of(notes[0].get("made_by") or {})],
            "limits": [
                "Curves over α on novel classes are to be read, never to choose by; val chose the marked α.",
                "t-SNE keeps neighbours, not distances: how far apart two groups lie says nothing.",
            ],
        }
    except (LookupError, TypeError, ValueError, AttributeError, pa.ArrowException) as error:
        what = f"holds no figures that this program reads ({type(error).__name__}: {error})"
        raise InputError(f"{folder} {what}; {rule}") from error


def _rows(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = read_sealed(path).to_pylist() if path.is_file() else []
    return rows


def _points(path: Path) -> dict[str, Any]:
    """``classes``, and the points of every panel: [x, y, class] in hundredths."""
    classes, panels = Numbered[str](), dict[str, dict[str, Any]]()
    for row in _rows(path):
        name = f"{row['shots']}-shot, {row['weights']}"
        panel = panels.setdefault(name, {"name": name, "shots": row["shots"], "weights": row["weights"], "points": []})
        panel["points"].append([round(100 * row["x"]), round(100 * row["y"]), classes.number(row["class"])])
    return {"classes": classes.values, "panels": list(panels.values())}
