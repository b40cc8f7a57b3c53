"""miniImageNet as Ravi and Larochelle published it: train.csv, val.csv and test.csv beside a folder of 84x84 pictures.

Their lists have the columns filename,label; easyfsl's have class_name,image_name and name ImageNet's own files.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from syntrans.errors import InputError
from syntrans.images.folders import ALIASES, PARTS, FilePool

_COLUMNS = (("label", "filename"), ("class_name", "image_name"))
_PLACES = ("images/{file}", "images/{key}/{file}", "{key}/{file}", "train/{key}/{file}", "{file}")


def find_lists(root: Path) -> dict[str, Path]:
    """The CSV file of every part that has one."""
    lists = {}
    for part in PARTS:
        for path in (root / f"{alias}.csv" for alias in ALIASES[part]):
            if path.is_file():
                lists[part] = path
                break
    return lists


def listed_files(root: Path, path: Path) -> FilePool:
    """The pictures that the list at `path` names, where they lie below `root`; InputError if it is no such list.

    A listed file that is nowhere is a broken picture, unless all are: then the pictures themselves are missing.
    """
    files: dict[str, list[Path]] = {}
    for line, key, file in _rows(path):
        if not key or not file or ".." in Path(file).parts or Path(file).is_absolute():
            raise InputError(f"{path}, line {line}: {key!r}, {file!r} is no class and file name")
        files.setdefault(key, []).append(Path(file))
    place = _place(root, path, files)
    return FilePool({key: [root / place.format(key=key, file=file) for file in files[key]] for key in sorted(files)})


def _rows(path: Path) -> Iterator[tuple[int, str, str]]:
    """Line number, class and file name of every row."""
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            rows = csv.DictReader(stream)
            columns = next((pair for pair in _COLUMNS if set(pair) <= set(rows.fieldnames or ())), None)
            if columns is None:
                rule = "a list has the columns filename,label (or class_name,image_name)"
                raise InputError(f"{path} has the columns {', '.join(rows.fieldnames or ())}; {rule}")
            for row in rows:
                yield rows.line_num, row[columns[0]], row[columns[1]]
    except (UnicodeDecodeError, csv.Error, OSError) as error:
        raise InputError(f"{path} is not readable as a CSV list in UTF-8 ({str(error)[:80]})") from error


def _place(root: Path, path: Path, files: dict[str, list[Path]]) -> str:
    for place in _PLACES:
        for key, listed in files.items():
            if any((root / place.format(key=key, file=file)).is_file() for file in listed[:20]):
                return place
    example = next((file for listed in files.values() for file in listed), "nothing")
    raise InputError(
        f"none of the pictures that {path} lists is there; put them into {root / 'images'}/ ({example} ...)"
    )
