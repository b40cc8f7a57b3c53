"""Data sets of the Hugging Face Hub, or folders in its layout, through the `datasets` library.

`hf://org/name`, `hf://org/name@revision` or `hf://path/to/a/folder`. Data only: no code of a
repository is run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from syntrans.errors import InputError
from syntrans.images.columns import IMAGES, LABELS, Columns
from syntrans.images.decode import read_file
from syntrans.images.folders import ALIASES
from syntrans.images.reference import UNREADABLE, Contained, ImageRef, PassedOver, Picture
from syntrans.packages.extras import require

PREFIX = "hf://"


class HubPool:
    """The splits of one data set taken together; pictures stay encoded, and on disk until they are decoded."""

    def __init__(self, tables: Sequence[Any], columns: Columns, ref: str) -> None:
        self._ref = ref
        self.passed_over = PassedOver()
        self._image, self._label = _find_columns(tables[0].features, columns, ref)
        self._names = columns.names or getattr(tables[0].features[self._label], "names", None)
        self._tables = [_encoded(table, self._image) for table in tables]

    @cached_property
    def _labels(self) -> list[list[str]]:
        columns = [list(table[self._label]) for table in self._tables]
        if self._names is not None and columns and columns[0] and isinstance(columns[0][0], int):
            return [[self._names[label] for label in labels] for labels in columns]
        if not all(isinstance(label, str) for labels in columns for label in labels):
            raise InputError(f"{self._ref}: column {self._label!r} is no text and its numbers have no names")
        return columns

    @property
    def keys(self) -> Sequence[str]:
        """The class keys of all splits."""
        return sorted({key for labels in self._labels for key in labels})

    def pictures(self, keys: Sequence[str], limit: int | None) -> dict[str, list[Picture]]:
        """Rows in the order of splits and rows."""
        by_class: dict[str, list[Picture]] = {key: [] for key in keys}
        for table, labels in zip(self._tables, self._labels, strict=True):
            for row, key in enumerate(labels):
                if key in by_class and (limit is None or len(by_class[key]) < limit):
                    load = HubRow(table, self._image, row)
                    origin = f"{self._ref}, {table.split}, row {row}"
                    by_class[key].append(ImageRef(key, _sha256(load), load, origin))
        return by_class


def open_tables(ref: str) -> dict[str, Any]:
    """Split name -> table; InputError in one line when the data set is neither here nor to be fetched."""
    require(ref, "train", ["datasets"], otherwise="give a local path")
    import datasets

    name, _, revision = ref.removeprefix(PREFIX).partition("@")
    try:
        return dict(datasets.load_dataset(name, revision=revision or None))
    except Exception as error:  # the library's errors have many bases
        where = "the folder" if Path(name).exists() else "the Hub, or no copy of it is in the local cache"
        rule = "fetch it where there is a network (HF_HUB_OFFLINE unset) and copy the cache, or give a local folder"
        raise InputError(
            f"{ref} cannot be read from {where} ({type(error).__name__}: {str(error)[:90]}); {rule}"
        ) from error


def hub_parts(ref: str, columns: Columns) -> dict[str, HubPool]:
    """The data set's own splits as parts, by their names."""
    tables = open_tables(ref)
    tables_by_part = {
        part: [tables[alias] for alias in aliases if alias in tables] for part, aliases in ALIASES.items()
    }
    return {part: HubPool(chosen, columns, ref) for part, chosen in tables_by_part.items() if chosen}


def hub_pool(ref: str, columns: Columns) -> HubPool:
    """All splits together, for a class split to divide."""
    return HubPool(list(open_tables(ref).values()), columns, ref)


def _find_columns(features: Any, columns: Columns, ref: str) -> tuple[str, str]:
    images = [name for name, kind in features.items() if type(kind).__name__ == "Image"]
    image = columns.image or next(iter([*images, *(name for name in IMAGES if name in features)]), "")
    usual = [name for name in LABELS if name in features]
    label = columns.label or next(iter(usual), "")
    if image not in features or label not in features:
        rule = f"it needs an image and a label; name them with {columns.keys()}"
        raise InputError(f"{ref} has the columns {', '.join(features)}; {rule}")
    if not columns.label and len(usual) > 1:
        choice = f"choose one with --set {columns.section}.label_column={usual[-1]}"
        raise InputError(f"{ref} has the columns {' and '.join(map(repr, usual))}, which may be the class; {choice}")
    return image, label


def _encoded(table: Any, image: str) -> Any:
    import datasets

    return table.cast_column(image, datasets.Image(decode=False))


@dataclass(frozen=True)
class HubRow(Contained):
    """A picture that stays in its data set; called, it gives its bytes."""

    table: Any
    image: str
    row: int

    def __call__(self) -> bytes:
        """The encoded bytes."""
        value = self.table[self.row][self.image] or {}
        if value.get("bytes"):
            return bytes(value["bytes"])
        return read_file(Path(value["path"])) if value.get("path") else b""


def _sha256(load: HubRow) -> str:
    try:
        return sha256(load()).hexdigest()
    except InputError:
        return UNREADABLE
