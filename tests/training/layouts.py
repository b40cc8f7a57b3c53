"""The layouts of pictures that every command reads, each made from eight classes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import archives
import pyarrow as pa
import pyarrow.parquet as pq

PARTS = {
    "base": ("apple", "bear", "bee", "bus"),
    "val": ("lamp", "wolf"),
    "novel": ("train", "tulip"),
}  # CIFAR-100 has all of them
CLASSES = [name for names in PARTS.values() for name in names]
IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
Make = Callable[[Path], str]


@dataclass(frozen=True)
class Layout:
    """`make` puts the pictures into a folder and gives the path; `divided`: no split file is needed."""

    title: str
    make: Make
    divided: bool = False
    columns: tuple[str, str] | None = None  # of the picture and of the class, where they have no usual names
    others: bool = False  # it holds other classes too


def pictures(name: str) -> list[bytes]:
    """Three small pictures of a class, always the same."""
    return [archives.encoded(CLASSES.index(name), number, 32, "PNG") for number in range(3)]


def folders(place: str, names: tuple[str, ...] = tuple(CLASSES)) -> Make:
    """One folder a class below `place`."""

    def make(root: Path) -> str:
        for name in names:
            folder = root / place / name
            folder.mkdir(parents=True)
            for number, data in enumerate(pictures(name)):
                (folder / f"{number}.png").write_bytes(data)
        return str(root)

    return make


def parted(*aliases: str) -> Make:
    """A folder a part."""

    def make(root: Path) -> str:
        for alias, names in zip(aliases, PARTS.values(), strict=True):
            folders(alias, names)(root)
        return str(root)

    return make


def linked(root: Path) -> str:
    """Links to class folders that lie elsewhere."""
    folders("store")(root)
    (root / "photos").mkdir()
    for name in CLASSES:
        (root / "photos" / name).symlink_to(root / "store" / name)
    return str(root / "photos")


def table(names: tuple[str, ...], image: str = "image", label: str = "label") -> pa.Table:
    """Pictures and classes, each class after the other."""
    cells = [{"bytes": data, "path": None} for name in names for data in pictures(name)]
    labels = [name for name in names for _ in pictures(name)]
    return pa.table({image: pa.array(cells, IMAGE), label: labels})


def one_table(name: str = "a.parquet", image: str = "image", label: str = "label", glob: str = "") -> Make:
    """One Parquet file."""

    def make(root: Path) -> str:
        pq.write_table(table(tuple(CLASSES), image, label), root / name)
        return str(root / (glob or name))

    return make


def part_tables(*files: str) -> Make:
    """A Parquet file a part."""

    def make(root: Path) -> str:
        for file, names in zip(files, PARTS.values(), strict=True):
            (root / file).parent.mkdir(exist_ok=True)
            pq.write_table(table(names), root / file)
        return str(root)

    return make


def numbered(root: Path) -> str:
    """Labels as numbers, whose names are in Hugging Face's metadata."""
    names = sorted(CLASSES)
    labelled = table(tuple(CLASSES))
    numbers = pa.array([names.index(name) for name in labelled["label"].to_pylist()])
    features = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": names}}
    labelled = labelled.set_column(1, "label", numbers)
    labelled = labelled.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(labelled, root / "a.parquet")
    return str(root / "a.parquet")


def paths_only(root: Path) -> str:
    """A Parquet file that names picture files."""
    folders("files")(root)
    names = [name for name in CLASSES for _ in pictures(name)]
    paths = [f"files/{name}/{number}.png" for name in CLASSES for number in range(len(pictures(name)))]
    cells = pa.array([{"bytes": None, "path": path} for path in paths], IMAGE)
    pq.write_table(pa.table({"image": cells, "label": names}), root / "a.parquet")
    return str(root / "a.parquet")


def lists(root: Path) -> str:
    """miniImageNet's lists and folder."""
    (root / "images").mkdir()
    for part, names in PARTS.items():
        rows = [(f"{name}{number}.png", name) for name in names for number in range(len(pictures(name)))]
        text = "".join(f"{file},{name}\n" for file, name in rows)
        (root / f"{part}.csv").write_text(f"filename,label\n{text}")
        for name in names:
            for number, data in enumerate(pictures(name)):
                (root / "images" / f"{name}{number}.png").write_bytes(data)
    return str(root)


def hub(root: Path) -> str:
    """A folder in the Hub's layout, as `datasets` reads it."""
    part_tables("train.parquet", "validation.parquet", "test.parquet")(root)
    return f"hf://{root}"


LAYOUTS = [
    Layout("`base/`, `val/`, `novel/`, each with one folder a class", parted("base", "val", "novel"), divided=True),
    Layout("`train/`, `validation/` (or `valid/`), `test/`", parted("train", "validation", "test"), divided=True),
    Layout("one folder a class", folders("")),
    Layout("links to class folders", linked),
    Layout("one folder a class in `images/`", folders("images")),
    Layout("`CUB_200_2011/images/<class>/`", folders("CUB_200_2011/images")),
    Layout(
        "`base.parquet`, `val.parquet`, `novel.parquet`",
        part_tables("base.parquet", "val.parquet", "novel.parquet"),
        divided=True,
    ),
    Layout(
        "a Hub snapshot: `data/train-00000-of-00001.parquet`, …",
        part_tables(*(f"data/{part}-00000-of-00001.parquet" for part in ("train", "validation", "test"))),
        divided=True,
    ),
    Layout("one Parquet file", one_table()),
    Layout("a glob, `shards/*.parquet`", one_table(glob="*.parquet")),
    Layout("Parquet with numbers for classes, named in Hugging Face's metadata", numbered),
    Layout("Parquet with paths in place of bytes", paths_only),
    Layout(
        "Parquet with columns of other names", one_table(image="photo", label="species"), columns=("photo", "species")
    ),
    Layout("lists `train.csv`, `val.csv`, `test.csv` beside `images/`", lists, divided=True),
    Layout("the archive of CIFAR-100", lambda root: str(archives.cifar(root, 3)), others=True),
    Layout("`hf://` and a folder, or the id of a data set", hub, divided=True),
]
