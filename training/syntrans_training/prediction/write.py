"""Answers as CSV, Parquet, JSON lines or one HTML page, whole or not at all; and pictures sorted into class folders."""

import csv
import html
import io
import json
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from syntrans.errors import UsageError
from syntrans.paths import atomic_path, atomic_write_text, disk_problem, make_dir
from syntrans.text_safety import plain_text
from syntrans_training.prediction.answers import BROKEN, NAMED, NONE, Answer

UNSURE_FOLDER, NONE_FOLDER = "_unsure", "_none_of_these"


def as_csv(answers: Sequence[Answer]) -> str:
    """One line a picture; lists are joined by '; '."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    rows = [answer.as_dict() for answer in answers]
    writer.writerow(rows[0] if rows else Answer("", "").as_dict())
    writer.writerows([[_cell(value) for value in row.values()] for row in rows])
    return out.getvalue()


def write_answers(path: Path, answers: Sequence[Answer], head: str = "") -> None:
    """Write the form that the name ends with; `UsageError` for another one. `head` is a line above the HTML table."""
    check_suffix(path)
    if path.suffix == ".parquet":
        _write_parquet(path, answers)
    else:
        make: Mapping[str, Callable[[], str]] = {
            ".csv": lambda: as_csv(answers),
            ".jsonl": lambda: "".join(json.dumps(a.as_dict(), ensure_ascii=False) + "\n" for a in answers),
            ".html": lambda: _page(answers, head),
        }
        atomic_write_text(path, make[path.suffix]())


def check_suffix(path: Path) -> None:
    """`UsageError` for a file form that is not written."""
    if path.suffix not in (".csv", ".jsonl", ".html", ".parquet"):
        raise UsageError(f"--out {path} has no known ending; end it with .csv, .parquet, .jsonl or .html")


def sort_into(folder: Path, answers: Sequence[Answer]) -> int:
    """Copy every picture file into `folder`/<class>, `_unsure` or `_none_of_these`; returns how many.

    Broken pictures and rows of Parquet files stay where they are; a name that is taken gets a number.
    """
    copied = 0
    for answer in answers:
        source = Path(answer.path)
        if answer.status == BROKEN or not source.is_file():
            continue
        name = answer.name or NONE_FOLDER
        below = {NAMED: _folder_name(name), NONE: NONE_FOLDER}.get(answer.status, UNSURE_FOLDER)
        target = _free(make_dir(folder / below) / source.name, source)
        if target is None:
            continue
        try:
            with atomic_path(target) as temporary:
                shutil.copy2(source, temporary)
        except OSError as error:
            raise disk_problem(target, error) from error
        copied += 1
    return copied


def _free(path: Path, source: Path) -> Path | None:
    """A path that no other picture has; None where this very picture lies there already."""
    number = 1
    found = path
    while found.exists():
        if found.read_bytes() == source.read_bytes():
            return None
        number += 1
        found = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return found


def _folder_name(name: str) -> str:
    return re.sub(r'[/\\:*?"<>|\x00-\x1f]', "_", name).strip(". ") or "_"


def _cell(value: Any) -> Any:
    if isinstance(value, tuple):
        parts = [f"{item[0]} ({item[1]:.3g})" if isinstance(item, tuple) else str(item) for item in value]
        value = "; ".join(parts)
    if isinstance(value, str):
        value = plain_text(value)
        if value[:1] in ("=", "+", "@", "\t"):  # a spreadsheet would run it
            value = "'" + value
    return "" if value is None else value


def _write_parquet(path: Path, answers: Sequence[Answer]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pairs = pa.list_(pa.struct([("name", pa.string()), ("value", pa.float32())]))
    text, number = pa.string(), pa.float32()
    types = {
        "path": text, "status": text, "class": text, "probability": number, "top": pairs,
        "prediction_set": pa.list_(text), "guarantee": number, "nearest": pairs, "text_share": number,
        "speaks_for": pairs, "speaks_against": pairs, "disagreement": text, "error": text,
    }  # fmt: skip
    rows = []
    for answer in answers:
        row = answer.as_dict()
        for key, kind in types.items():
            if kind == pairs:
                row[key] = [{"name": name, "value": value} for name, value in row[key]]
        rows.append(row)
    with atomic_path(path) as temporary:
        pq.write_table(pa.Table.from_pylist(rows, schema=pa.schema(list(types.items()))), temporary, compression="zstd")


_STYLE = """
:root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;margin:1.5rem auto;max-width:72rem;padding:0 1rem}
ul{list-style:none;padding:0;display:grid;gap:1rem;grid-template-columns:repeat(auto-fill,minmax(15rem,1fr))}
li{border:1px solid #8886;border-radius:.5rem;padding:.7rem;overflow-wrap:anywhere}img{width:100%;height:11rem;
object-fit:contain;background:#8882;border-radius:.3rem}small{opacity:.75;display:block}.s{float:right}
"""


def _page(answers: Sequence[Answer], head: str) -> str:
    """One page without any request but for the pictures' own files; unsure and unknown ones first."""
    order = {BROKEN: 3, NAMED: 2, NONE: 0}
    shown = sorted(answers, key=lambda a: (order.get(a.status, 1), a.name or "", a.path))
    cards = "\n".join(_card(answer) for answer in shown)
    top = html.escape(plain_text(head))
    meta = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    return (
        f"<!doctype html><html lang=en><head>{meta}<title>Predictions</title><style>{_STYLE}</style></head>"
        f"<body><h1>Predictions</h1><p>{top}</p><ul>\n{cards}\n</ul></body></html>\n"
    )


def _card(answer: Answer) -> str:
    source = Path(answer.path)
    picture = ""
    if answer.status != BROKEN and source.is_file():
        picture = f'<img loading=lazy alt="" src="{html.escape(source.resolve().as_uri())}">'
    members = ", ".join(answer.prediction_set) or "no class"
    lines = [("", f"prediction set: {members}")] if answer.name and len(answer.prediction_set) != 1 else []
    if answer.status == NONE:
        lines = [("likeliest", f"{answer.name} {answer.probability:.0%}")]
    for label, pairs in (("nearest", answer.nearest), ("for", answer.speaks_for), ("against", answer.speaks_against)):
        if pairs:
            lines.append((label, ", ".join(Path(n).name if label == "nearest" else n for n, _ in pairs)))
    lines += [("", text) for text in (answer.disagreement, answer.error) if text]
    name = "" if answer.status == NONE else html.escape(answer.name or "no answer")
    said = f"<b>{name}</b> {answer.probability:.0%}" if name and answer.name else f"<b>{name or 'none of these'}</b>"
    small = "".join(f"<small>{html.escape(plain_text(f'{k}: {v}' if k else v))}</small>" for k, v in lines)
    return (
        f"<li>{picture}<span class=s>{answer.status}</span>{said}<small>{html.escape(plain_text(answer.path))}</small>"
        f"{small}</li>"
    )
