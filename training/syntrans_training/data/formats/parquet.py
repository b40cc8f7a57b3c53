"""Parquet files with an image and a label column, for example a Hugging Face copy of CIFAR-100."""

from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from syntrans import image_parquet
from syntrans.errors import InputError
from syntrans.image_parquet import Columns
from syntrans_training.data.pool import Picture


class ParquetPool:
    """Rows of one or several files; the label columns are read first, pictures only for the classes asked for."""

    def __init__(self, files: Sequence[Path], columns: Columns) -> None:
        self._files, self._columns = files, columns

    @cached_property
    def _labels(self) -> list[tuple[Path, list[str]]]:
        return [(file, image_parquet.labels(file, self._columns)) for file in self._files]

    @property
    def keys(self) -> Sequence[str]:
        """The class keys of all files."""
        return sorted({key for _, labels in self._labels for key in labels})

    def pictures(self, keys: Sequence[str], limit: int | None) -> dict[str, list[Picture]]:
        """Encoded pictures, held in memory, in the order of files and rows."""
        found: dict[str, list[Picture]] = {key: [] for key in keys}
        taken: Counter[str] = Counter()
        for file, labels in self._labels:
            rows = []
            for row, key in enumerate(labels):
                if key in found and (limit is None or taken[key] < limit):
                    taken[key] += 1
                    rows.append(row)
            for ref in image_parquet.pictures(file, labels, rows, self._columns):
                found[ref.class_key].append(ref)
        return found


def parquet_files(path: Path) -> list[Path]:
    """The files behind a path: one file, a folder (searched in full), or a glob like data/train-*.parquet."""
    if path.is_dir():
        return sorted(path.rglob("*.parquet"))
    if any(sign in str(path) for sign in "*?["):
        fixed = next(parent for parent in path.parents if not any(sign in str(parent) for sign in "*?["))
        found = sorted(file for file in fixed.glob(str(path.relative_to(fixed))) if file.suffix == ".parquet")
        if not found:
            raise InputError(f"no Parquet file fits {path}")
        return found
    return [path] if path.suffix == ".parquet" else []
