"""From outcomes to the numbers and tables of a summary; accuracies leave in percent."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from syntrans.files.sealed_parquet import write_sealed
from syntrans_training.episodes.frozen import FrozenEpisodes, episodes_name
from syntrans_training.episodes.sampler import Episodes
from syntrans_training.evaluation.trained_run import TrainedRun
from syntrans_training.scoring.metrics import image_interval, interval, paired, per_class
from syntrans_training.scoring.scored_classifier import ScoredClassifier
from syntrans_training.scoring.scorer import EpisodeScores

Kind = Literal["normal", "t"]
Confusions = Mapping[str, NDArray[np.int64]]
"""Row -> how many queries of the true class (first axis) were taken for the predicted one."""


def episodes_of(
    tasks: Mapping[int, FrozenEpisodes], wanted: Mapping[str, Any], *, kind: Kind, seen_queries: str
) -> dict[str, Any]:
    """What was `wanted` of the episodes, their number and origin, by shots where they differ."""
    return {
        **wanted,
        "episodes": min(len(part.episodes) for part in tasks.values()),
        "interval": kind,
        "keys": {str(shots): part.episodes.key for shots, part in tasks.items()},
        "seen_queries": seen_queries,
        "dropped": {str(shots): part.dropped for shots, part in tasks.items()},
        "files": {str(shots): episodes_name(shots) for shots in tasks},
    }


def row_results(
    rows: Mapping[str, ScoredClassifier],
    outcomes: Mapping[str, EpisodeScores],
    tasks: Episodes,
    run: TrainedRun,
    shots: int,
    *,
    kind: Kind,
) -> dict[str, dict[str, Any]]:
    """Accuracy with both intervals, calibration, and what val chose, of every row."""
    choices = {e.get("row", e["method"]): e for e in run.report["methods"]["choices"] if e["shots"] == shots}
    results: dict[str, dict[str, Any]] = {}
    for name, row in rows.items():
        outcome = outcomes[name]
        results[name] = interval(outcome.accuracy, kind=kind).percent()
        results[name]["image_half_width"] = image_interval(outcome.correct, tasks).percent()["half_width"]
        results[name] |= {"ece": round(outcome.ece, 5), "temperature": round(row.temperature, 4)}
        results[name]["reliability"] = [
            [int(n), round(p, 4), round(share, 4)] for n, p, share in outcome.reliability.tolist()
        ]
        if row.settings:
            results[name] |= row.settings
        elif name in choices:
            results[name] |= {key: choices[name][key] for key in ("setting", "recipe") if choices[name].get(key)}
    return results


def contrasts(accuracies: Mapping[str, NDArray[np.float64]], *, kind: Kind) -> dict[str, dict[str, Any]]:
    """Paired differences: every row minus visual only, SynTrans minus every row."""
    pairs = [(name, "visual_only") for name in accuracies if name != "visual_only"]
    pairs += [("syntrans", name) for name in accuracies if name not in ("syntrans", "visual_only")]
    differences: dict[str, dict[str, Any]] = {}
    for a, b in pairs:
        difference = paired(accuracies[a], accuracies[b], kind=kind)
        differences[f"{a} - {b}"] = {**difference.percent(), "verdict": difference.verdict}
    return differences


def confusions(outcomes: Mapping[int, Mapping[str, EpisodeScores]]) -> dict[int, Confusions]:
    """Shots -> row -> its confusion matrix."""
    return {shots: {name: outcome.confusion for name, outcome in rows.items()} for shots, rows in outcomes.items()}


def per_class_accuracy(of_rows: Confusions, classes: Sequence[str]) -> dict[str, dict[str, float | None]]:
    """Class -> row -> accuracy in percent; None for a class that was never drawn."""
    by_row = {name: per_class(confusion) for name, confusion in of_rows.items()}
    return {
        c: {name: None if np.isnan(values[i]) else round(100 * float(values[i]), 2) for name, values in by_row.items()}
        for i, c in enumerate(classes)
    }


def write_accuracies(
    path: Path, numbers: Mapping[int, NDArray[np.int64]], outcomes: Mapping[int, Mapping[str, EpisodeScores]]
) -> None:
    """The accuracy of every row on every episode; `numbers` are the episodes' numbers in their file."""
    tables = []
    for shots, rows in outcomes.items():
        n = len(numbers[shots])
        columns = {"shots": np.full(n, shots, np.int32), "episode": numbers[shots].astype(np.int32)}
        tables.append(pa.table(columns | {name: outcome.accuracy for name, outcome in rows.items()}))
    _write(path, tables)


def confusion_table(path: Path, confusions_of_shots: Mapping[int, Confusions], classes: Sequence[str]) -> None:
    """How many queries of which class each row took for which class; pairs that never met are left out."""
    tables = []
    for shots, rows in confusions_of_shots.items():
        for name, confusion in rows.items():
            true, predicted = np.nonzero(confusion)
            n = len(true)
            columns = {
                "shots": np.full(n, shots, np.int32),
                "row": [name] * n,
                "true": [classes[i] for i in true.tolist()],
                "predicted": [classes[i] for i in predicted.tolist()],
                "queries": confusion[true, predicted],
            }
            tables.append(pa.table(columns))
    _write(path, tables)


def _write(path: Path, tables: list[pa.Table]) -> None:
    write_sealed(path, pa.concat_tables(tables))
