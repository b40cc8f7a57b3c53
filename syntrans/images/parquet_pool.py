"""The pictures of one or several Parquet files, by class; for example a Hugging Face copy of CIFAR-100."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from syntrans.errors import InputError
from syntrans.images import parquet as image_parquet
from syntrans.images.files import visible, visible_folders
from syntrans.images.folders import is_container, is_parquet
from syntrans.images.reference import PassedOver, Picture

if TYPE_CHECKING:
    from syntrans.images.columns import Columns


class ParquetPool:
    """Rows of one or several files; the label columns are read first, pictures only for the classes asked for.

    Pictures are held in memory, which is fast where each is decoded at once; or they ``stay`` in their files.
    """

    def __init__(self, files: Sequence[Path], columns: Columns, *, stay: bool = False) -> None:
        self._files, self._columns, self._stay = files, columns, stay
        self.passed_over = PassedOver()

    @cached_property
    def _labels(self) -> list[tuple[Path, Columns, list[str]]]:
        settled = [(file, image_parquet.settle(file, self._columns)) for file in self._files]
        return [(file, columns, image_parquet.labels(file, columns)) for file, columns in settled]

    @property
    def keys(self) -> Sequence[str]:
        """The class keys of all files."""
        return sorted({key for _, _, labels in self._labels for key in labels})

    def pictures(self, keys: Sequence[str], limit: int | None) -> dict[str, list[Picture]]:
        """Encoded pictures, in the order of files and rows."""
        by_class: dict[str, list[Picture]] = {key: [] for key in keys}
        taken: Counter[str] = Counter()
        read = image_parquet.references if self._stay else image_parquet.pictures
        for file, columns, labels in self._labels:
            rows = []
            for row, key in enumerate(labels):
                if key in by_class and (limit is None or taken[key] < limit):
                    taken[key] += 1
                    rows.append(row)
            for ref in read(file, labels, rows, columns):
                by_class[ref.class_key].append(ref)
        return by_class


def parquet_files(path: Path, named: Collection[str] = ()) -> list[Path]:
    """The Parquet files with pictures behind a path: one file, a folder, or a glob like data/train-*.parquet.

    Of a folder: its own, and those in ``data`` and in the folders of parts and below.
    """
    if path.is_dir():
        in_folder = [below for below in visible(path) if is_parquet(below)]
        for folder in visible_folders(path):
            if folder.name == "data" or is_container(folder, named):
                in_folder += files_below(folder)
        return sorted(in_folder)
    if is_glob(path):
        files = [file for file in globbed(path) if is_parquet(file)]
        if not files:
            raise InputError(f"no Parquet file fits {path}")
        return files
    return [path] if path.suffix == ".parquet" else []


def is_glob(path: Path) -> bool:
    """Whether a path that is not there is a pattern."""
    return any(sign in str(path) for sign in "*?[") and not path.exists()


def globbed(path: Path) -> list[Path]:
    """What fits a pattern, sorted."""
    fixed = next((parent for parent in path.parents if not any(sign in str(parent) for sign in "*?[")), None)
    if fixed is None or path == fixed:
        return []
    return sorted(fixed.glob(str(path.relative_to(fixed))))


def files_below(folder: Path) -> list[Path]:
    """The Parquet files with pictures anywhere in a folder, without hidden ones."""
    hidden = [part for part in folder.parts if part.startswith(".")]
    return sorted(
        file
        for file in folder.rglob("*.parquet")
        if is_parquet(file) and [part for part in file.parts if part.startswith(".")] == hidden
    )
