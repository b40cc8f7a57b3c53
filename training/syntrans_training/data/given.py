"""Features that were made elsewhere, in place of pictures: `data.path` is a folder of `<part>.features.parquet`.

One row per picture: `class` (string), `feature` (list of floats, the same number in all files), and, where mining may
have seen the picture, `sha256` (of its file's bytes). `encoder.method: given` takes them as they are.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from syntrans.errors import InputError

from .class_split import ALIASES, PARTS
from .store import Split

SUFFIX = ".features.parquet"


def feature_files(path: str) -> dict[str, Path]:
    """Part -> file, for the parts that are there; empty where a folder holds none."""
    root = Path(path).expanduser()
    found = ((name, root / f"{alias}{SUFFIX}") for name in PARTS for alias in ALIASES[name])
    return {name: file for name, file in found if file.is_file()}


def given_classes(files: Mapping[str, Path]) -> dict[str, list[str]]:
    """The class names of every part."""
    return {name: sorted(set(_column(file, "class").to_pylist())) for name, file in files.items()}


def given_splits(names: Sequence[str], files: Mapping[str, Path], *, limit_per_class: int | None) -> dict[str, Split]:
    """The named splits; their features must be of one length."""
    splits = {name: given_split(name, files, limit_per_class=limit_per_class) for name in names}
    sizes = {name: split.given.shape[1] for name, split in splits.items() if split.given is not None}
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{name} {size}" for name, size in sizes.items())
        raise InputError(f"features are of different lengths ({listed}); all must come from one encoder")
    return splits


def given_split(name: str, files: Mapping[str, Path], *, limit_per_class: int | None) -> Split:
    """A split of features, without pictures; `InputError` where a file is not what the head of this module says."""
    if name not in files:
        raise InputError(f"there is no {name}{SUFFIX} beside {', '.join(map(str, files.values()))}")
    labelled = _column(files[name], "class").to_pylist()
    values = _features(files[name])
    rows = _first(labelled, limit_per_class)
    classes = tuple(sorted({labelled[i] for i in rows}))
    place = {c: i for i, c in enumerate(classes)}
    labels = np.array([place[labelled[i]] for i in rows], dtype=np.int64)
    given = np.ascontiguousarray(values[rows])
    digests = [hashlib.sha256(row.tobytes()).hexdigest() for row in given]
    known = "sha256" in pq.read_schema(files[name]).names
    hashes = [_column(files[name], "sha256").to_pylist()[i] for i in rows] if known else digests
    key = hashlib.sha256("".join([*classes, *map(str, labels), *digests, *hashes]).encode()).hexdigest()[:16]
    no_pixels = np.zeros((len(rows), 0, 0, 3), np.uint8)
    return Split(name, no_pixels, labels, classes, tuple(hashes), (), key, given=given)


def _first(labelled: Sequence[str], limit: int | None) -> list[int]:
    taken: dict[str, int] = {}
    rows = []
    for i, label in enumerate(labelled):
        taken[label] = taken.get(label, 0) + 1
        if limit is None or taken[label] <= limit:
            rows.append(i)
    return rows


def _column(file: Path, column: str) -> pa.ChunkedArray:
    try:
        has = pq.read_schema(file).names
        found = pq.read_table(file, columns=[column])[column] if column in has else None
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{file} is not a readable Parquet file ({error})") from error
    if found is None or found.null_count or not len(found):
        raise InputError(f"{file} needs a column {column!r} without gaps; it has {', '.join(has)}")
    return found


def _features(file: Path) -> NDArray[np.float32]:
    column = _column(file, "feature").combine_chunks()
    kinds = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    lists = any(kind(column.type) for kind in kinds)
    lengths = set(pc.list_value_length(column).to_pylist()) if lists else set()
    if len(lengths) != 1:
        raise InputError(f"{file}: every feature must be a list of equally many floats, got {column.type}")
    flat = column.flatten().to_numpy(zero_copy_only=False)
    values: NDArray[np.float32] = flat.astype(np.float32).reshape(len(column), -1)
    broken = np.nonzero(~np.isfinite(values).all(1))[0]
    if len(broken):
        raise InputError(f"{file}: the feature of row {broken[0]} is not finite")
    return values
