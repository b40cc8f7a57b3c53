"""An evaluation as data of the page: every row's accuracy, what it is made of, and its controls."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from syntrans.errors import InputError
from syntrans.files.sealed_json import read_sealed_json
from syntrans.files.sealed_parquet import read_sealed
from syntrans.runs.file_names import ACCURACIES
from syntrans.views.labels import GROUPS, LABELS, with_labels
from syntrans.views.report.columns import Numbered
from syntrans.views.report.flier import SYSTEM, flier_limits, flier_numbers
from syntrans.views.report.provenance import Facts, facts_of, licences_of

PAIRS = 400
"""Wrong pairs of classes that are shown of a row: all of them up to 20 classes."""
_INTERVAL = ("mean", "half_width")
_KEYS = ("data", "results", "contrasts", "chosen")


def evaluation_part(file: Path) -> dict[str, Any]:
    """The part of a ``summary.json``; InputError where it is not of an evaluation that this program reads."""
    rule = "give the folder of a finished `syntrans evaluate`, or run it again"
    summary = read_sealed_json(file, rule)
    if not isinstance(summary, dict) or any(not isinstance(summary.get(key), dict) for key in _KEYS):
        raise InputError(f"{file} is not the summary of an evaluation that this program reads; {rule}")
    try:
        of_flier = summary.get("system") == SYSTEM
        return {
            "kind": "evaluation",
            "title": f"Evaluation {file.parent.name}",
            "place": str(file.parent),
            "results": _results(summary["results"]),
            "contrasts": summary["contrasts"],
            **(flier_numbers(summary) if of_flier else _numbers(summary)),
            "accuracies": _accuracies(file.parent / ACCURACIES),
            "confusion": _confusion(file.parent / "confusion.parquet"),
            "facts": _facts(summary),
            "config": json.dumps(summary.get("config", {}), indent=2, ensure_ascii=False),
            "limits": [*(flier_limits(summary) if of_flier else _limits(summary)), *_looks(summary)],
        }
    except (LookupError, TypeError, ValueError, AttributeError, pa.ArrowException) as error:
        what = f"is not as `syntrans evaluate` writes it ({type(error).__name__}: {error})"
        raise InputError(f"{file.parent} {what}; {rule}") from error


def _results(results: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    """Shots -> row -> numbers; ValueError where there is no row, or one without accuracy and interval."""
    for shots, rows in results.items():
        if not rows or not all(isinstance(row[key], int | float) for row in rows.values() for key in _INTERVAL):
            raise ValueError(f"{shots}-shot has no rows with accuracy and interval")
    return results


def _numbers(summary: Mapping[str, Any]) -> dict[str, Any]:
    """What the evaluation of a bridge has in its own way, beside what all evaluations have.

    ``headline`` is the row that all others are compared with, ``reference`` the one that text is added to.
    """
    chosen = summary["chosen"]
    return {
        "headline": "syntrans",
        "reference": "visual_only",
        "overview": _overview(summary["episodes"], summary["data"]),
        "labels": LABELS,
        "groups": summary["groups"],
        "group_labels": GROUPS,
        "per_class": summary["per_class"],
        "chosen": {
            "methods": with_labels(chosen.get("methods") or []),
            "bridge": chosen.get("bridge") or [],  # earlier versions did not write it
            "ridge": chosen.get("choices") or [],
        },
    }


def _overview(episodes: Mapping[str, Any], data: Mapping[str, Any]) -> list[str]:
    left_out = max(0, *(episodes.get("dropped") or {"": 0}).values())
    tasks = (
        f"{episodes['ways']}-way tasks with {episodes['queries']} queries a class, {episodes['episodes']:,} episodes"
    )
    return [
        f"{tasks}, seed {episodes['seed']}; {data['classes']:,} novel classes, {data['images']:,} pictures.",
        "Percent with 95 % intervals over episodes; differences are paired by episode.",
        *([f"{left_out:,} episodes left out: mining had seen a query of theirs."] if left_out else []),
    ]


def _accuracies(path: Path) -> dict[str, Any]:
    """Shots -> ``episode`` (numbers) and ``rows`` (row -> accuracies in hundredths of a percent)."""
    if not path.is_file():
        return {}
    columns = read_sealed(path).to_pydict()
    episodes, numbers = columns.pop("episode"), columns.pop("shots")
    accuracies = {}
    for shots in sorted(set(numbers)):
        places = [place for place, one in enumerate(numbers) if one == shots]
        rows = {name: [round(10_000 * values[place]) for place in places] for name, values in columns.items()}
        accuracies[str(shots)] = {"episode": [episodes[place] for place in places], "rows": rows}
    return accuracies


def _confusion(path: Path) -> dict[str, Any]:
    """``classes``, and shots -> row -> [class, taken for, queries] of the PAIRS most frequent mistakes."""
    if not path.is_file():
        return {}
    classes = Numbered[str]()
    pairs: dict[str, dict[str, list[tuple[int, int, int]]]] = {}
    columns = [read_sealed(path)[name].to_pylist() for name in ("shots", "row", "true", "predicted", "queries")]
    for shots, row, true, predicted, queries in zip(*columns, strict=True):
        numbers = classes.number(true), classes.number(predicted)
        if true != predicted:
            pairs.setdefault(str(shots), {}).setdefault(row, []).append((*numbers, queries))
    most = {
        shots: {row: sorted(confused, key=lambda pair: -pair[2])[:PAIRS] for row, confused in rows.items()}
        for shots, rows in pairs.items()
    }
    return {"classes": classes.values, "pairs": most, "most": PAIRS}


def _facts(summary: Mapping[str, Any]) -> Facts:
    descriptors, encoder = summary.get("descriptors") or {}, summary.get("encoder") or {}
    text, data, distill = summary.get("text_encoder") or {}, summary["data"], summary.get("distill") or {}
    facts = [
        ("training", summary.get("checkpoint")),
        ("descriptors", descriptors.get("path")),
        ("descriptors, sha256", descriptors.get("sha256")),
        ("licences", licences_of(descriptors.get("path"), [text.get("name")])),
        ("encoder", " ".join(str(encoder[key]) for key in ("backbone", "method") if key in encoder)),
        ("teacher", distill.get("teacher")),
        ("text encoder", " ".join(str(text[key]) for key in ("name", "revision") if key in text)),
        ("pictures", data.get("path")),
        ("pictures, key", data.get("key")),
        ("seconds", summary.get("seconds")),
        *facts_of(summary.get("made_by") or {}),
    ]
    return [(label, str(text)) for label, text in facts if text not in (None, "")]


def _limits(summary: Mapping[str, Any]) -> list[str]:
    data, episodes = summary["data"], summary["episodes"]
    limits = [
        "Intervals cover the choice of episodes. Those with other pictures are wider; other classes are in neither.",
        "A row is better than another one only where the paired difference says so: overlapping intervals say little.",
    ]
    if data.get("seen_by_mining"):
        rule = episodes.get("seen_queries", episodes.get("leak"))  # of earlier versions
        rule = "none of them is a query" if rule in ("exclude", "bar") else f"rule for them: {rule}"
        limits.append(f"Mining has seen {data['seen_by_mining']} of these pictures; {rule}.")
    return limits


def _looks(summary: Mapping[str, Any]) -> list[str]:
    looks = summary["data"].get("looks_at_novel")
    if not looks:
        return []
    times = "once" if looks == 1 else f"{looks} times"
    return [f"The novel classes were looked at {times} on this machine; each look makes them less new."]
