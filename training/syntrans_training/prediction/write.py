"""Answers as CSV, Parquet, JSON lines or one HTML page, whole or not at all; and pictures sorted into class folders."""

import csv
import io
import json
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from syntrans.errors import InputError, UsageError
from syntrans.paths import atomic_path, atomic_write_text, disk_problem, make_dir, remove_abandoned, require_writable
from syntrans.text_safety import harmless_name
from syntrans.views.report.page import render_page
from syntrans.views.report.prediction import FACTS, prediction_part
from syntrans.views.report.provenance import Facts
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


def write_answers(path: Path, answers: Sequence[Answer], head: str = "", facts: Facts | None = None) -> None:
    """Write the form that the name ends with; `UsageError` for another one.

    `head` is a line for the HTML page; `facts`, how the answers were made, go into HTML and Parquet.
    """
    remove_abandoned(path.parent)
    if path.suffix == ".parquet":
        _write_parquet(path, answers, facts or [])
    else:
        make: Mapping[str, Callable[[], str]] = {
            ".csv": lambda: as_csv(answers),
            ".jsonl": lambda: "".join(json.dumps(a.as_dict(), ensure_ascii=False) + "\n" for a in answers),
            ".html": lambda: _page(answers, path, head, facts),
        }
        atomic_write_text(path, make[path.suffix]())


def check_out(path: Path, support: Path | None, query: str) -> None:
    """`UsageError` for a file form that is not written, for a folder, and for Parquet where the next run would read it.

    `EnvironmentProblem` where nothing can be written.
    """
    if path.suffix not in (".csv", ".jsonl", ".html", ".parquet"):
        raise UsageError(f"--out {path} has no known ending; end it with .csv, .parquet, .jsonl or .html")
    if path.is_dir():
        raise UsageError(f"--out {path} is a folder; name a file")
    if path.suffix == ".parquet" and (read := _read_with(path, support, query)):
        raise UsageError(f"--out {path} lies in {read}, where it would be read as pictures; name another folder")
    require_writable(path)


def check_sort_into(folder: Path, support: Path | None, query: str) -> None:
    """`UsageError` where the next run would read the copies as supports, or as pictures to name; and for a file.

    `EnvironmentProblem` where nothing can be written.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--sort-into {folder} is a file; name a folder")
    if read := _read_with(folder, support, query):
        raise UsageError(
            f"--sort-into {folder} lies in {read}, where the copies would be read too; name another folder"
        )
    require_writable(folder, folder=True)


def _read_with(path: Path, support: Path | None, query: str) -> str:
    """The option and its folder that `path` lies in; empty without one."""
    for option, read in (("--support", support), ("--query", Path(query).expanduser())):
        if read is not None and read.is_dir() and path.resolve().is_relative_to(read.resolve()):
            return f"{option} {read}"
    return ""


def check_folders(classes: Sequence[str]) -> None:
    """`InputError` where the pictures of two classes would be sorted into one folder."""
    owner = {UNSURE_FOLDER: "unsure pictures", NONE_FOLDER: "pictures of none of these"}
    for name in classes:
        other = owner.setdefault(_folder_name(name), name)
        if other != name:
            both = f"{other!r} and {name!r} would both be sorted into the folder {_folder_name(name)!r}"
            raise InputError(f"{both}; rename one, or leave out --sort-into")


class Sorted(NamedTuple):
    """Pictures that were copied, that lay in their folder already, and that lie in another one from before."""

    copied: int
    there: int
    elsewhere: int


def sort_into(folder: Path, answers: Sequence[Answer]) -> Sorted:
    """Copy every picture file into `folder`/<class>, `_unsure` or `_none_of_these`.

    Broken pictures and rows of Parquet files stay where they are; a name that is taken gets a number.
    """
    copied = there = elsewhere = 0
    before: dict[str, list[Path]] = {}
    for of_class in folder.iterdir() if folder.is_dir() else ():
        remove_abandoned(of_class)
        for path in of_class.iterdir() if of_class.is_dir() else ():
            before.setdefault(path.name, []).append(path)
    for answer in answers:
        source = Path(answer.path)
        if answer.status == BROKEN or not source.is_file():
            continue
        name = answer.name or NONE_FOLDER
        below = {NAMED: _folder_name(name), NONE: NONE_FOLDER}.get(answer.status, UNSURE_FOLDER)
        others = (path for path in before.get(source.name, ()) if path.parent.name != below)
        elsewhere += any(path.is_file() and path.read_bytes() == source.read_bytes() for path in others)
        target = _free(make_dir(folder / below) / source.name, source)
        if target is None:
            there += 1
            continue
        try:
            with atomic_path(target) as temporary:
                shutil.copy2(source, temporary)
        except OSError as error:
            raise disk_problem(target, error) from error
        copied += 1
    return Sorted(copied, there, elsewhere)


def _free(path: Path, source: Path) -> Path | None:
    """A path that no other picture has; None where this very picture lies there already."""
    number = 1
    free = path
    while free.exists():
        if free.read_bytes() == source.read_bytes():
            return None
        number += 1
        free = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return free


def _folder_name(name: str) -> str:
    return re.sub(r'[/\\:*?"<>|\x00-\x1f]', "_", name).strip(". ") or "_"


def _cell(value: Any) -> Any:
    if isinstance(value, tuple):
        parts = [f"{item[0]} ({item[1]:.3g})" if isinstance(item, tuple) else str(item) for item in value]
        value = "; ".join(parts)
    if isinstance(value, str):
        value = harmless_name(value)  # the table may go to a terminal
        if value[:1] in ("=", "+", "-", "@", "\t", "\r"):  # a spreadsheet would run it
            value = "'" + value
    return "" if value is None else value


def _write_parquet(path: Path, answers: Sequence[Answer], facts: Facts) -> None:
    import pyarrow as pa

    from syntrans.files.sealed_parquet import write_sealed

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
    schema = pa.schema(list(types.items()), metadata={FACTS: json.dumps(facts, ensure_ascii=False)})
    write_sealed(path, pa.Table.from_pylist(rows, schema=schema))


def _page(answers: Sequence[Answer], path: Path, head: str, facts: Facts | None) -> str:
    """The page of `syntrans report` on these answers; the unsure ones first, and large."""
    rows = [answer.as_dict() for answer in answers]
    return render_page([prediction_part(rows, f"Predictions {path.stem}", str(path), head=head, facts=facts)])
