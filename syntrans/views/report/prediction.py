"""Answers of `syntrans predict` as data of the page: pictures with their names, sets and reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from syntrans.errors import InputError
from syntrans.files.input_files import parse_json, read_text
from syntrans.files.sealed_parquet import read_sealed
from syntrans.views.report.thumbnails import LARGE, SMALL, of_file

Answers = Sequence[Mapping[str, Any]]
LARGE_ONES, SMALL_ONES = 60, 1500
"""So many of the unsure are shown large, and so many pictures in all: a page of ordinary photographs has 20 MB then."""
_KEYS = frozenset(["path", "status", "class", "probability", "top", "prediction_set"])
_PAIRS = ("top", "nearest", "speaks_for", "speaks_against")
_ORDER = ("unsure", "none of these", "named", "broken")


def prediction_part(answers: Answers, title: str, place: str, *, head: str = "") -> dict[str, Any]:
    """The part of ``answers``, as `as_dict` of training's answers gives them; ``head`` is a line about all of them."""
    order = {status: number for number, status in enumerate(_ORDER)}
    shown = sorted(answers, key=lambda a: (order.get(str(a["status"]), 1), a["probability"] or 0, str(a["path"])))
    return {
        "kind": "prediction",
        "title": title,
        "place": place,
        "head": head,
        "answers": [{**answer, "picture": _picture(answer, number)} for number, answer in enumerate(shown)],
        "facts": [("answers", place)],
        "limits": [
            "Names of a call that were made together inform each other; one by one they may differ.",
            "A promise about prediction sets holds for pictures like the supports, and for no others.",
            *([f"Only the first {SMALL_ONES:,} pictures are shown."] if len(shown) > SMALL_ONES else []),
        ],
    }


def read_answers(file: Path) -> dict[str, Any]:
    """The part of a ``.jsonl`` or ``.parquet`` that `syntrans predict --out` wrote; InputError where it is none."""
    rule = "give a .jsonl or .parquet file of `syntrans predict --out`"
    try:
        answers = _read_parquet(file) if file.suffix == ".parquet" else _read_lines(file)
    except (ValueError, TypeError, pa.ArrowException) as error:
        raise InputError(f"{file} holds no answers ({error}); {rule}") from error
    if not answers or any(not isinstance(answer, dict) or not answer.keys() >= _KEYS for answer in answers):
        raise InputError(f"{file} holds no answers of `syntrans predict`; {rule}")
    return prediction_part(answers, f"Predictions {file.stem}", str(file))


def _read_lines(file: Path) -> list[Any]:
    return [parse_json(line) for line in read_text(file).splitlines() if line.strip()]


def _read_parquet(file: Path) -> list[Any]:
    answers: list[Any] = read_sealed(file).to_pylist()
    return [
        {key: [[pair["name"], pair["value"]] for pair in value] if key in _PAIRS else value for key, value in a.items()}
        for a in answers
    ]


def _picture(answer: Mapping[str, Any], number: int) -> str | None:
    """The picture as a data address: large of what a person must decide; None where it is gone, or too many are."""
    path = Path(str(answer["path"]))
    if answer["status"] == "broken" or number >= SMALL_ONES or not path.is_file():
        return None
    large = answer["status"] == "unsure" and number < LARGE_ONES
    return of_file(path, LARGE if large else SMALL)
