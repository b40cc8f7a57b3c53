"""A run that has not finished, as data of the page: what it has asked or trained until now."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from syntrans.errors import InputError
from syntrans.files.input_files import read_json
from syntrans.runs.file_names import JOURNAL, REQUEST
from syntrans.runs.legs import LEGS
from syntrans.views.report.training import curves_of

_SIGNS = (JOURNAL, LEGS, REQUEST, ".lock")


def is_working(folder: Path) -> bool:
    """Whether a run has begun in this folder."""
    return folder.is_dir() and any((folder / name).exists() for name in _SIGNS)


def working_part(folder: Path) -> dict[str, Any]:
    """The part of a run that works, or was stopped: answers by stage and model, seconds, curves."""
    return {
        "kind": "working",
        "title": f"Not finished: {folder.name}",
        "place": str(folder),
        "answers": _answers(folder / JOURNAL),
        "seconds": _seconds(folder / LEGS),
        "curves": curves_of(folder),
        "facts": [("folder", str(folder))],
        "limits": ["This run has not finished; the same command goes on with it."],
    }


def _answers(journal: Path) -> list[dict[str, Any]]:
    """How many answers there are, by stage and model; none while the journal cannot be read."""
    if not journal.is_file():
        return []
    try:
        with closing(sqlite3.connect(f"{journal.absolute().as_uri()}?mode=ro", uri=True, timeout=5)) as store:
            rows = store.execute("select stage, model, count(*) from answers group by stage, model").fetchall()
    except sqlite3.DatabaseError:
        return []
    return [{"stage": str(stage), "model": str(model), "answers": int(n)} for stage, model, n in rows]


def _seconds(legs: Path) -> dict[str, float]:
    try:
        seconds = read_json(legs, "it is passed over")
    except InputError:
        return {}
    return {str(name): float(value) for name, value in seconds.items() if isinstance(value, int | float)}
