"""FLIER's trainings and evaluations as data of the page, in the forms of the other ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from syntrans.errors import InputError
from syntrans.files.sealed_json import read_sealed_json
from syntrans.views.labels import FLIER_GROUPS, FLIER_LABELS
from syntrans.views.report.provenance import Facts, facts_of, licences_of, listed

SYSTEM = "flier"


def flier_training_part(file: Path) -> dict[str, Any]:
    """The part of a ``flier.json``; InputError where it is not of a training that this program reads."""
    rule = "give the folder of a finished `syntrans train --config flier`"
    report = read_sealed_json(file, rule)
    try:
        val = report["val"]
        return {
            "kind": "training",
            "title": f"FLIER's training {file.parent.name}",
            "place": str(file.parent),
            "curves": [],
            "data": {"val": {"classes": val["classes"], "images": val["test"], "names": val["names"]}},
            "bridge": [],
            "ridge": [],
            "methods": [
                _choice(row, shots, entry) for shots, rows in report["choices"].items() for row, entry in rows.items()
            ],
            "seconds": report["seconds"],
            "facts": _facts(report, report["config"]),
            "config": json.dumps(report["config"], indent=2, ensure_ascii=False),
            "limits": [
                "Val chose the settings, so its accuracies are a little too good; novel classes were not looked at.",
                "FLIER learns the classes that it is asked about: nothing of this is kept but settings.",
            ],
        }
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        what = f"is not as `syntrans train --config flier` writes it ({type(error).__name__}: {error})"
        raise InputError(f"{file} {what}; {rule}") from error


def _choice(row: str, shots: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    """What val chose for a row, as trainings of the bridge write it: accuracies as shares."""
    trials = [
        {**{key: value for key, value in one.items() if key != "accuracy"}, "val": one["accuracy"] / 100}
        for one in entry["tried"]
    ]
    named = {"method": FLIER_LABELS.get(row, row), "shots": int(shots), "setting": entry["setting"]}
    return {**named, "val": entry["accuracy"] / 100, "trials": trials}


def flier_numbers(summary: Mapping[str, Any]) -> dict[str, Any]:
    """What an evaluation of FLIER has on the page in its own way, beside what all evaluations have."""
    protocol = summary["protocol"]
    methods = [
        {"method": FLIER_LABELS.get(row, row), "shots": int(shots), "setting": setting, "val": None, "trials": []}
        for shots, rows in summary["chosen"].items()
        for row, setting in rows.items()
    ]
    return {
        "headline": SYSTEM,
        "reference": None,
        "overview": _overview(protocol),
        "labels": FLIER_LABELS,
        "groups": summary.get("groups") or {},
        "group_labels": FLIER_GROUPS,
        "per_class": summary.get("per_class") or {},
        "chosen": {"methods": methods, "bridge": [], "ridge": []},
    }


def _overview(protocol: Mapping[str, Any]) -> list[str]:
    if "episodes" in protocol:
        shape = f"{protocol['ways']}-way tasks with {protocol['queries']} queries a class"
        tested = f"{protocol['episodes']:,} frozen {shape}; FLIER is trained anew for each."
        over, by = "episodes", "episode"
    else:
        shown = f"{protocol['ways']} novel classes at once, {protocol['test']:,} test pictures"
        tested = f"All {shown}, {protocol['seeds']} draws of the supports."
        over, by = "test pictures", "picture"
    return [tested, f"Percent with 95 % intervals over {over}; differences are paired by {by}."]


def flier_limits(summary: Mapping[str, Any]) -> list[str]:
    """What that evaluation does not show."""
    tested = "episodes" if "episodes" in summary["protocol"] else "test pictures"
    return [
        f"Intervals cover the choice of {tested}, and not that of classes or of imagined pictures.",
        "Whether latents add anything is FLIER less the same imagined pictures as pixels only, and nothing else.",
        *(
            [f"Mining has seen {summary['data']['seen_by_mining']} of these pictures; none of them is tested."]
            if summary["data"].get("seen_by_mining")
            else []
        ),
    ]


def _facts(report: Mapping[str, Any], config: Mapping[str, Any]) -> Facts:
    descriptors, imagined = report.get("descriptors") or {}, report["imagined"]
    facts = [
        ("pictures", (config.get("data") or {}).get("path")),
        ("descriptors", descriptors.get("path")),
        ("descriptors, sha256", descriptors.get("sha256")),
        ("licences", licences_of(descriptors.get("path"))),
        ("imagined pictures", imagined.get("path")),
        ("imagined pictures, sha256", imagined.get("sha256")),
        ("CLIP", config.get("clip")),
        ("seed", config.get("seed")),
        ("seconds", listed(report["seconds"])),
        *facts_of(report.get("made_by") or {}),
    ]
    return [(label, str(text)) for label, text in facts if text not in (None, "")]
