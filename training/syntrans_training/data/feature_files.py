"""Features that were made elsewhere, in place of pictures: `data.path` is a folder of `<part>.features.parquet`.

One row per picture: `class` (strings, or whole numbers, which serve as names), `feature` (list of numbers, equally many
in all files), and, where mining may have seen the picture, `sha256` (of its file's bytes). Metadata of the schema may
say under `encoder` what made them. `encoder.method: precomputed` takes them as they are. Every reader here raises
`InputError` where a file is something else.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from syntrans.classes.entries import composed
from syntrans.errors import InputError
from syntrans.files.sealed_parquet import column_names, file_metadata, read_sealed
from syntrans.images.folders import ALIASES, PARTS
from syntrans.text_safety import plain_text
from syntrans_training.data.store import Split

SUFFIX = ".features.parquet"
_LISTS = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
_NUMBERS = (pa.types.is_floating, pa.types.is_integer)
_STRINGS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
_LONGEST = 80  # signs of an encoder's name
_FLAT = 1e-5  # a spread of unit features below this is rounding


def feature_files(path: str) -> dict[str, Path]:
    """Part -> file, for the parts that are there; empty where a folder holds none."""
    root = Path(path).expanduser()
    files = {}
    for name in PARTS:
        present = [file for alias in ALIASES[name] if (file := root / f"{alias}{SUFFIX}").is_file()]
        if len(present) > 1:
            raise InputError(f"{' and '.join(map(str, present))} are both {name}; leave one of them there")
        if present:
            files[name] = present[0]
    return files


def given_classes(files: Mapping[str, Path]) -> dict[str, list[str]]:
    """The class names of every part."""
    return {name: sorted(set(_names(file, "class"))) for name, file in files.items()}


def given_splits(names: Sequence[str], files: Mapping[str, Path], *, limit_per_class: int | None) -> dict[str, Split]:
    """The named splits; their features must be of one length."""
    splits = {name: given_split(name, files, limit_per_class=limit_per_class) for name in names}
    sizes = {name: split.given.shape[1] for name, split in splits.items() if split.given is not None}
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{name} {size}" for name, size in sizes.items())
        raise InputError(f"features are of different lengths ({listed}); all must come from one encoder")
    return splits


def given_split(name: str, files: Mapping[str, Path], *, limit_per_class: int | None) -> Split:
    """A split of features, without pictures."""
    if name not in files:
        raise InputError(f"there is no {name}{SUFFIX} beside {', '.join(map(str, files.values()))}")
    file = files[name]
    labelled = _names(file, "class")
    values = _features(file)
    rows = _first(labelled, limit_per_class)
    classes = tuple(sorted({labelled[i] for i in rows}))
    place = {c: i for i, c in enumerate(classes)}
    labels = np.array([place[labelled[i]] for i in rows], dtype=np.int64)
    given = np.ascontiguousarray(values[rows])
    _check_spread(file, given, labels)
    digests = [hashlib.sha256(row.tobytes()).hexdigest() for row in given]
    has_hashes = "sha256" in column_names(file)
    hashes = np.array(_names(file, "sha256"))[rows].tolist() if has_hashes else digests
    key = hashlib.sha256("".join([*classes, *map(str, labels), *digests, *hashes]).encode()).hexdigest()[:16]
    no_pixels = np.zeros((len(rows), 0, 0, 3), np.uint8)
    return Split(name, no_pixels, labels, classes, tuple(hashes), (), key, given=given, encoder=_encoder(file))


def _encoder(file: Path) -> str:
    """What made the features, as the file's metadata says it; "" where it does not."""
    stated = file_metadata(file).get(b"encoder", b"")
    return plain_text(stated.decode(errors="replace"))[:_LONGEST]


def _first(labelled: Sequence[str], limit: int | None) -> list[int]:
    taken: dict[str, int] = {}
    rows = []
    for i, label in enumerate(labelled):
        taken[label] = taken.get(label, 0) + 1
        if limit is None or taken[label] <= limit:
            rows.append(i)
    return rows


def _column(file: Path, column: str) -> pa.ChunkedArray:
    has = column_names(file)
    read = read_sealed(file, [column])[column] if column in has else None
    if read is not None and not len(read):
        raise InputError(f"{file} holds no rows")
    if read is None or read.null_count:
        raise InputError(f"{file} needs a column {column!r} without gaps; it has {', '.join(has)}")
    return read


def _names(file: Path, column: str) -> list[str]:
    """A column of names; numbered classes are called by their numbers."""
    labels = _column(file, column)
    of = labels.type.value_type if pa.types.is_dictionary(labels.type) else labels.type
    numbered = column == "class" and pa.types.is_integer(of)
    if not numbered and not any(kind(of) for kind in _STRINGS):
        kinds = "strings or whole numbers" if column == "class" else "strings"
        raise InputError(f"{file} needs a column {column!r} of {kinds}, got {of}")
    values = labels.to_pylist()
    if gaps := [i for i, value in enumerate(values) if value is None or not str(value).strip()]:
        raise InputError(f"{file} needs a column {column!r} without gaps; row {gaps[0]} is empty")
    return [composed(str(value)) for value in values]


def _features(file: Path) -> NDArray[np.float32]:
    column = _column(file, "feature").combine_chunks()
    lists = any(kind(column.type) for kind in _LISTS) and any(kind(column.type.value_type) for kind in _NUMBERS)
    lengths = set(pc.list_value_length(column).to_pylist()) if lists else set()
    if len(lengths) != 1 or lengths == {0}:
        raise InputError(f"{file}: every feature must be a list of equally many numbers, got {column.type}")
    flat = column.flatten().to_numpy(zero_copy_only=False)
    with np.errstate(over="ignore"):  # what overflows is infinite, and named below
        values: NDArray[np.float32] = flat.astype(np.float32).reshape(len(column), -1)
        broken = np.nonzero(~np.isfinite(np.square(values).sum(1)))[0]
    if len(broken):
        raise InputError(f"{file}: the feature of row {broken[0]} is not finite, or too long for float32")
    return values


def _check_spread(file: Path, values: NDArray[np.float32], labels: NDArray[np.int64]) -> None:
    """`InputError` where nothing can be told apart, or the pictures of a class nowhere differ."""
    counts = np.bincount(labels)
    if len(counts) < 2:
        raise InputError(f"{file} holds one class; few-shot tasks tell several apart")
    unit = values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)
    means = np.stack([unit[labels == c].mean(0) for c in range(len(counts))])
    if counts.max() > 1 and np.abs(unit - means[labels]).max() < _FLAT:
        raise InputError(f"{file}: all features of a class point in the same direction; they cannot be of its pictures")
