"""`syntrans compare A B`: two rows on the same episodes, paired.

A and B are evaluations (a folder of `syntrans evaluate`, or its summary.json), with `:row` for a row other than
syntrans.
Both must have used the same frozen episodes; where one has left some out (seen_queries=drop_episode), the
ones that both have count.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from syntrans.errors import InputError
from syntrans.files.sealed_json import read_sealed_json
from syntrans.files.sealed_parquet import read_sealed
from syntrans.runs.file_names import ACCURACIES, SUMMARY
from syntrans_training.scoring.metrics import paired

DEFAULT_ROW = "syntrans"


@dataclass(frozen=True)
class Evaluation:
    """One side of a comparison."""

    name: str
    row: str
    keys: Mapping[str, str]  # shots -> key of the frozen episodes
    data: str  # key of the pictures
    accuracies: pa.Table


def compare(a: str, b: str) -> dict[str, Any]:
    """The paired differences a - b by number of shots; raises `InputError` when the episodes differ."""
    one, other = open_evaluation(a), open_evaluation(b)
    shared = [shots for shots in one.keys if shots in other.keys]
    if not shared:
        raise InputError(f"{one.name} has {_shots(one)}, {other.name} has {_shots(other)}: nothing to compare")
    for shots in shared:
        if (one.keys[shots], one.data) != (other.keys[shots], other.data):
            raise InputError(
                f"{one.name} and {other.name} were evaluated on different {shots}-shot episodes, so nothing is paired; "
                f"evaluate one with --set episodes.file=FOLDER of the other"
            )
    by_shots = {shots: _compared(one, other, int(shots)) for shots in shared}
    return {"a": _described(one), "b": _described(other), "shots": by_shots}


def open_evaluation(source: str) -> Evaluation:
    """`FOLDER[:ROW]` or `summary.json[:ROW]`; raises `InputError` when there is no such evaluation or row."""
    given, _, row_name = source.rpartition(":") if not Path(source).exists() else (source, "", "")
    row = row_name or DEFAULT_ROW
    folder = Path(given or source)
    folder = folder.parent if folder.name == SUMMARY else folder
    for name in (SUMMARY, ACCURACIES):
        if not (folder / name).is_file():
            raise InputError(f"{folder} holds no {name}; give the folder that `syntrans evaluate` left")
    try:
        summary = read_sealed_json(folder / SUMMARY, "run `syntrans evaluate` again")
        keys, data = dict(summary["episodes"]["keys"]), str(summary["data"]["key"])
        table = read_sealed(folder / ACCURACIES)
    except (InputError, ValueError, LookupError, TypeError, OSError) as error:
        raise InputError(
            f"{folder} holds no evaluation that this program reads ({error!r:.120}); run `syntrans evaluate`"
        ) from error
    rows = [name for name in table.column_names if name not in ("shots", "episode")]
    if row not in rows:
        raise InputError(f"{folder} has no row {row!r}; it has {', '.join(rows)}")
    return Evaluation(str(folder), row, keys, data, table)


def _compared(a: Evaluation, b: Evaluation, shots: int) -> dict[str, Any]:
    (numbers_a, values_a), (numbers_b, values_b) = _values(a, shots), _values(b, shots)
    _, in_a, in_b = np.intersect1d(numbers_a, numbers_b, return_indices=True)
    if len(in_a) < 2:
        raise InputError(f"{a.name} and {b.name} share {len(in_a)} {shots}-shot episodes; a comparison needs two")
    first, second = values_a[in_a], values_b[in_b]
    difference = paired(first, second)
    return {
        "a": round(100 * float(first.mean()), 3),
        "b": round(100 * float(second.mean()), 3),
        **difference.percent(),
        "wins": int((first > second).sum()),
        "ties": int((first == second).sum()),
        "losses": int((first < second).sum()),
        "verdict": difference.verdict,
    }


def _values(side: Evaluation, shots: int) -> tuple[NDArray[np.integer[Any]], NDArray[np.float64]]:
    of_shots = side.accuracies.filter(pc.equal(side.accuracies["shots"], shots))
    return of_shots["episode"].to_numpy(), of_shots[side.row].to_numpy()


def _shots(side: Evaluation) -> str:
    return ", ".join(f"{shots}-shot" for shots in side.keys) + " episodes"


def _described(side: Evaluation) -> dict[str, str]:
    return {"evaluation": side.name, "row": side.row}


def render(comparison: Mapping[str, Any]) -> str:
    """The comparison for people, two lines a number of shots."""
    a, b = (f"{comparison[side]['evaluation']}:{comparison[side]['row']}" for side in ("a", "b"))
    lines = [f"a  {a}", f"b  {b}", ""]
    for shots, line in comparison["shots"].items():
        lines.append(
            f"{shots}-shot  a {line['a']:.2f}, b {line['b']:.2f}: a − b = {line['mean']:+.2f} "
            f"±{line['half_width']:.2f}, {in_words(line['verdict'])};\n        a wins {line['wins']:,}, "
            f"ties {line['ties']:,}, loses {line['losses']:,} of {line['n']:,} episodes"
        )
    lines += ["", "Percent; differences paired by episode, with 95 % intervals."]
    return "\n".join(lines)


def in_words(verdict: str) -> str:
    """A verdict about a as part of a sentence."""
    return verdict if verdict.startswith("not") else f"a is {verdict}"
