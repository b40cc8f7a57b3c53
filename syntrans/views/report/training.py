"""A training as data of the page: its curves, what val chose, and what it was made from."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from syntrans.errors import InputError
from syntrans.files.input_files import parse_json, read_text
from syntrans.files.sealed_json import read_sealed_json
from syntrans.views.labels import with_labels
from syntrans.views.report.provenance import Facts, facts_of, licences_of, listed


def training_part(file: Path) -> dict[str, Any]:
    """The part of a ``train.json``; InputError where it is not of a training that this program reads."""
    rule = "give the folder of a finished `syntrans train`"
    report = read_sealed_json(file, rule)
    if not isinstance(report, dict) or not isinstance(report.get("config"), dict):
        raise InputError(f"{file} is not the report of a training that this program reads; {rule}")
    try:
        return {
            "kind": "training",
            "title": f"Training {file.parent.name}",
            "place": str(file.parent),
            "curves": curves_of(file.parent),
            "data": {
                name: {"classes": part.get("classes"), "images": part.get("images"), "names": part.get("names", [])}
                for name, part in (report.get("data") or {}).items()
            },
            "bridge": _choices(report.get("vsbird")),
            "ridge": _choices(report.get("bridge")),
            "methods": with_labels(_choices(report.get("methods"))),
            "seconds": report.get("seconds") or {},
            "facts": _facts(report),
            "config": json.dumps(report["config"], indent=2, ensure_ascii=False),
            "limits": [
                "Val chose the settings, so its accuracies are a little too good; novel classes were not looked at.",
                "What the training is worth on new classes is measured by syntrans evaluate.",
            ],
        }
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        what = f"is not as `syntrans train` writes it ({type(error).__name__}: {error})"
        raise InputError(f"{file} {what}; {rule}") from error


def curves_of(folder: Path) -> list[dict[str, Any]]:
    """Each log of epochs in a folder: its name, and its rows as they are; a line that is none is left out."""
    curves = []
    for path in sorted(folder.glob("*metrics.jsonl")):
        rows = []
        for line in read_text(path).splitlines():
            with suppress(ValueError):
                row = parse_json(line)
                if isinstance(row, dict) and isinstance(row.get("epoch"), int):
                    rows.append({key: value for key, value in row.items() if _is_number(value)})
        if rows:
            curves.append({"name": path.name.removesuffix("metrics.jsonl").rstrip(".") or "encoder", "rows": rows})
    return curves


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _choices(stage: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    return list((stage or {}).get("choices") or ())


def _facts(report: Mapping[str, Any]) -> Facts:
    encoder, bridge = report.get("encoder") or {}, report.get("bridge") or {}
    descriptors, distill = bridge.get("descriptors") or {}, report.get("distill") or {}
    facts = [
        ("pictures", (report["config"].get("data") or {}).get("path")),
        ("descriptors", descriptors.get("path")),
        ("descriptors, sha256", descriptors.get("sha256")),
        ("licences", licences_of(descriptors.get("path"), [(bridge.get("text_encoder") or {}).get("name")])),
        ("encoder", " ".join(str(encoder[key]) for key in ("backbone", "method", "precision") if encoder.get(key))),
        ("teacher", (distill.get("teacher") or {}).get("name")),
        ("text encoder", (bridge.get("text_encoder") or {}).get("name")),
        ("seed", report.get("seed")),
        ("seconds", listed(report.get("seconds") or {})),
        *facts_of(report.get("made_by") or {}),
    ]
    return [(label, str(text)) for label, text in facts if text not in (None, "")]
