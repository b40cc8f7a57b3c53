"""A run of imagine as data of the page: its contact sheet, and how many pictures of every class CLIP kept."""

from __future__ import annotations

import base64
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from syntrans.errors import InputError
from syntrans.files.sealed_json import read_sealed_json
from syntrans.views.report.provenance import facts_of, listed

SHEET = "contact_sheet.png"
_COLUMNS = ["class_id", "class_name", "reason"]


def imagined_part(file: Path) -> dict[str, Any]:
    """The part of a folder with ``imagined.parquet``; InputError where it is not as `syntrans imagine` left it."""
    folder, rule = file.parent, "run the same `syntrans imagine` again"
    report = read_sealed_json(folder / "run.json", rule)
    try:
        rows = pq.read_table(file, columns=_COLUMNS).to_pylist()
        model = report["model"]
        return {
            "kind": "imagined",
            "title": f"Imagined pictures {folder.name}",
            "place": str(folder),
            "sheet": _data_url(folder / SHEET),
            "classes": _by_class(rows),
            "facts": [
                ("model", f"{model['name']}, revision {model['revision']}, licence {model['licence']}"),
                ("descriptors", str(report["descriptors"]["path"])),
                ("pictures", f"{report['pictures']}, {report['kept']} kept"),
                ("reasons", listed(report["reasons"]) or "none"),
                ("seconds", listed(report["seconds"])),
                *facts_of(report.get("made_by") or {}),
            ],
            "config": json.dumps(report["config"], indent=2, ensure_ascii=False),
            "limits": [
                "The sheet has the first pictures of the first classes, as they were made: green is kept, red is not.",
                "CLIP judged the pictures by the same texts that they were made from; nobody looked at them.",
            ],
        }
    except (OSError, LookupError, TypeError, ValueError, AttributeError, pa.ArrowException) as error:
        what = f"is not as `syntrans imagine` writes it ({type(error).__name__}: {error})"
        raise InputError(f"{folder} {what}; {rule}") from error


def _by_class(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    groups: dict[tuple[str, str], Counter[str]] = {}
    for row in rows:
        groups.setdefault((row["class_id"], row["class_name"]), Counter())[row["reason"] or ""] += 1
    return [
        {
            "id": class_id,
            "name": name,
            "pictures": of_class.total(),
            "kept": of_class[""],
            "dropped": listed({reason: n for reason, n in of_class.items() if reason}),
        }
        for (class_id, name), of_class in groups.items()
    ]


def _data_url(path: Path) -> str | None:
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}" if path.is_file() else None
