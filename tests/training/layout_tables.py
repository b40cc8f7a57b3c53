"""The tables of docs/data.md: what each command makes of each layout, and of odd files in one. Their cells are tried.

PYTHONPATH=tests/training python tests/training/layout_tables.py     writes the tables anew
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import archives
from doors import DOORS, Asked, Read
from jaxtyping import TypeCheckError
from layouts import CLASSES, LAYOUTS, PARTS, Layout, folders, pictures

from syntrans.errors import InputError

DOCS = Path(__file__).parents[2] / "docs" / "data.md"
HASHES = {name: {hashlib.sha256(data).hexdigest() for data in pictures(name)} for name in CLASSES}


def layout_row(layout: Layout, root: Path) -> list[str]:
    """What each command needs to be told to find all classes, each with its pictures: "yes" where that is nothing."""
    (root / "data").mkdir()
    (root / "split.json").write_text(json.dumps(PARTS))
    path = layout.make(root / "data")
    return [_cell(door, Asked(path, tuple(CLASSES)), layout, str(root / "split.json")) for door in DOORS]


def _cell(door: str, request: Asked, layout: Layout, split: str) -> str:
    wanted = PARTS["novel"] if door == "evaluate --images" and layout.divided else CLASSES
    for told, asking in _ways_to_ask(door, request, layout, split):
        try:
            read = DOORS[door](asking)
        except (InputError, TypeCheckError):  # tests check types too, and so ask a pool for its classes sooner
            continue
        if _finds(read, wanted, layout):
            return told
    return "no"


def _ways_to_ask(door: str, request: Asked, layout: Layout, split: str) -> Iterator[tuple[str, Asked]]:
    """The plainest first."""
    auto = request._replace(split="auto") if door == "train --split auto" else request
    yield "yes", auto
    divided = door in ("train, evaluate", "data check")
    if divided:
        yield "split", request._replace(split=split)
    if layout.columns and door != "predict --support":  # which has no such keys
        yield "by keys", auto._replace(columns=layout.columns)
        if divided:
            yield "by keys, split", request._replace(columns=layout.columns, split=split)


def _finds(read: Read, wanted: list[str] | tuple[str, ...], layout: Layout) -> bool:
    if read.by_class is None:
        return (read.n_classes, read.n_pictures) == (len(wanted), sum(len(HASHES[name]) for name in wanted))
    if layout.others:
        return all(name in read.by_class and len(read.by_class[name]) == len(HASHES[name]) for name in wanted)
    return read.by_class == {name: HASHES[name] for name in wanted}


def _sound(form: str = "PNG") -> bytes:
    """A picture of the first class that is in no layout."""
    return archives.encoded(0, 50, 32, form)


def _files(**files: bytes) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        for name, data in files.items():
            (folder / name).write_bytes(data)

    return make


def _linked_file(folder: Path) -> None:
    (folder.parents[1] / "elsewhere.png").write_bytes(_sound())
    (folder / "link.png").symlink_to(folder.parents[1] / "elsewhere.png")


def _linked_folder(folder: Path) -> None:
    (folder.parents[1] / "more").mkdir()
    (folder.parents[1] / "more" / "b.png").write_bytes(_sound())
    (folder / "link").symlink_to(folder.parents[1] / "more")


ODD: dict[str, Callable[[Path], None]] = {
    "`.jpeg`": _files(**{"a.jpeg": _sound("JPEG")}),
    "`.jpe`": _files(**{"a.jpe": _sound("JPEG")}),
    "`.jfif`": _files(**{"a.jfif": _sound("JPEG")}),
    "`.webp`": _files(**{"a.webp": _sound("WEBP")}),
    "`.gif`": _files(**{"a.gif": _sound("GIF")}),
    "`.bmp`": _files(**{"a.bmp": _sound("BMP")}),
    "`.tiff`": _files(**{"a.tiff": _sound("TIFF")}),
    "`.ppm`": _files(**{"a.ppm": _sound("PPM")}),
    "a picture without an ending": _files(a=_sound()),
    "`.txt`, or another ending": _files(**{"a.txt": b"no picture"}),
    "`._a.png`, `.DS_Store`, `Thumbs.db`": _files(**{"._a.png": b"fork", ".DS_Store": b"x", "Thumbs.db": b"x"}),
    "`.a.png`, a hidden picture": _files(**{".a.png": _sound()}),
    "a link to a picture": _linked_file,
    "a link to a folder of pictures": _linked_folder,
    "a link to nothing": lambda folder: (folder / "a.png").symlink_to(folder / "nowhere.png"),
    "a picture of 0 bytes": _files(**{"a.png": b""}),
    "a picture that is cut off": _files(**{"a.png": _sound()[:100]}),
    "text that is called `.png`": _files(**{"a.png": b"no picture"}),
}


def odd_row(title: str, root: Path) -> list[str]:
    """What each command makes of such a file in the folder of a class: read, passed over and said, or not."""
    path = root / "data"
    folders("")(path)
    before = set((path / "apple").iterdir())
    (root / "split.json").write_text(json.dumps(PARTS))
    ODD[title](path / "apple")
    names = {file.name for file in (path / "apple").iterdir() if file not in before}
    return [_fate(door, Asked(str(path), tuple(CLASSES)), names, str(root / "split.json")) for door in DOORS]


def _fate(door: str, request: Asked, names: set[str], split: str) -> str:
    splits = {"train, evaluate": split, "data check": split, "train --split auto": "auto"}
    try:
        read = DOORS[door](request._replace(split=splits.get(door)))
    except InputError:
        return "refused"
    if read.n_pictures > sum(map(len, HASHES.values())):
        return "read"
    return "said" if any(name in read.said for name in names) else "ignored"


def table(kind: str, first: str, rows: dict[str, list[str]], page: str) -> str:
    """The page with the table of that kind as it should be."""
    head = f"| {first} | {' | '.join(f'`{door}`' for door in DOORS)} |"
    lines = [f"| {title} | {' | '.join(cells)} |" for title, cells in rows.items()]
    marks = f"<!-- {kind}: written by tests/training/layout_tables.py -->", f"<!-- end of {kind} -->"
    between = "\n".join([marks[0], head, "|---" * (1 + len(DOORS)) + "|", *lines, marks[1]])
    return re.sub(f"{re.escape(marks[0])}.*{re.escape(marks[1])}", lambda _: between, page, flags=re.DOTALL)


def main() -> None:
    """Try every cell, write both tables."""
    from datasets import config

    tried: dict[str, dict[str, list[str]]] = {"layouts": {}, "odd files": {}}
    with tempfile.TemporaryDirectory() as top:
        os.environ["SYNTRANS_ARTIFACTS"] = f"{top}/artifacts"
        with mock.patch.object(config, "HF_DATASETS_CACHE", f"{top}/hub"):
            for number, layout in enumerate(LAYOUTS):
                (root := Path(top) / f"layout{number}").mkdir()
                tried["layouts"][layout.title] = layout_row(layout, root)
        for number, title in enumerate(ODD):
            (root := Path(top) / f"odd{number}").mkdir()
            tried["odd files"][title] = odd_row(title, root)
    page = table("layouts", "layout", tried["layouts"], DOCS.read_text())
    DOCS.write_text(table("odd files", "file in the folder of a class", tried["odd files"], page))


if __name__ == "__main__":
    main()
