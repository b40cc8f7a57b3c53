"""Answers of `syntrans predict` as data of the page: pictures with their names, sets and reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from syntrans.errors import InputError
from syntrans.files.input_files import parse_json, read_text
from syntrans.files.sealed_parquet import read_sealed
from syntrans.views.report.thumbnails import LARGE, SMALL, loads, of_load

if TYPE_CHECKING:
    from syntrans.views.report.provenance import Facts

Answers = Sequence[Mapping[str, Any]]
LARGE_BYTES, SMALL_ONES = 30_000_000, 1500
"""The unsure are shown at full size until they fill this; so many pictures are shown in all (about 20 MB more)."""
FACTS = "facts"
"""Key of a Parquet file's metadata: how its answers were made, as JSON."""
_KEYS = frozenset(["path", "status", "class", "probability", "top", "prediction_set"])
_PAIRS = ("top", "nearest", "speaks_for", "speaks_against")
_ORDER = ("unsure", "none of these", "named", "broken")


def prediction_part(
    answers: Answers, title: str, place: str, *, head: str = "", facts: Facts | None = None
) -> dict[str, Any]:
    """The part of ``answers``, as `as_dict` of training's answers gives them; ``head`` is a line about all of them.

    ``facts`` are how they were made; None where nobody knows.
    """
    order = {status: number for number, status in enumerate(_ORDER)}
    shown = sorted(answers, key=lambda a: (order.get(str(a["status"]), 1), a["probability"] or 0, str(a["path"])))
    pictures, large = _pictures(shown)
    unsure = sum(answer["status"] == "unsure" for answer in shown)
    return {
        "kind": "prediction",
        "title": title,
        "place": place,
        "head": head,
        "answers": [{**answer, "picture": picture} for answer, picture in zip(shown, pictures, strict=True)],
        "facts": [("answers", place), *(facts or [])],
        "limits": [
            "Names of a call that were made together inform each other; one by one they may differ.",
            "A promise about prediction sets holds for pictures like the supports, and for no others.",
            *([f"Only the first {SMALL_ONES:,} pictures are shown."] if len(shown) > SMALL_ONES else []),
            *([f"Only {large:,} of {unsure:,} unsure pictures are at full size."] if large < unsure else []),
            *([] if facts else ["The file does not say how it was made; .parquet and .html do."]),
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
    facts = _facts(file) if file.suffix == ".parquet" else None
    return prediction_part(answers, f"Predictions {file.stem}", str(file), facts=facts)


def _read_lines(file: Path) -> list[Any]:
    return [parse_json(line) for line in read_text(file).splitlines() if line.strip()]


def _read_parquet(file: Path) -> list[Any]:
    answers: list[Any] = read_sealed(file).to_pylist()
    return [
        {key: [[pair["name"], pair["value"]] for pair in value] if key in _PAIRS else value for key, value in a.items()}
        for a in answers
    ]


def _facts(file: Path) -> Facts | None:
    """What the file's metadata say; None in files of other programs and earlier versions."""
    facts = (pq.read_schema(file).metadata or {}).get(FACTS.encode())
    pairs = parse_json(facts.decode()) if facts else None
    if not isinstance(pairs, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
        return None
    return [(str(label), str(text)) for label, text in pairs]


def _pictures(shown: Answers) -> tuple[list[str | None], int]:
    """The pictures as data addresses, and how many of the unsure, which a person must decide, are at full size.

    None where a picture is gone or broken, or too many are.
    """
    pictures: list[str | None] = [None] * len(shown)
    room, large = LARGE_BYTES, 0
    origins = ["" if answer["status"] == "broken" else str(answer["path"]) for answer in shown[:SMALL_ONES]]
    for number, load in loads(origins):
        side = LARGE if shown[number]["status"] == "unsure" and room > 0 else SMALL
        pictures[number] = picture = of_load(load, side)
        if side == LARGE:
            room, large = room - len(picture or ""), large + 1
    return pictures, large
