"""From a path to its parts base, val and novel, without reading a picture.

Either the path is divided already (lists, folders or files named after the parts), or it is one pool of classes that a
class split divides: the published one of a named data set, or the user's own file.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from syntrans.class_match import nearest
from syntrans.classes import ClassEntry, composed
from syntrans.errors import InputError, UsageError
from syntrans.image_parquet import ANY, Columns

from .class_split import ALIASES, PARTS, read_split, split_path
from .datasets import DATASETS
from .formats.cifar import CifarPool, find_archive
from .formats.csv_lists import find_lists, listed_files
from .formats.folders import FolderPool, class_folders
from .formats.hub import PREFIX, hub_parts, hub_pool
from .formats.parquet import ParquetPool, parquet_files
from .pool import Part, Pool

WORLD, FINE, AUTO = "world", "world-fine/", "auto"


@dataclass(frozen=True)
class Source:
    """A data set that was found: its name ("" if it is the user's own), where it is, and its parts."""

    dataset: str
    path: str
    parts: Mapping[str, Part]

    def part(self, name: str) -> Part:
        """Base, val or novel; InputError when it is not there, or lacks classes of the split."""
        if name not in self.parts:
            raise InputError(
                f"{self.path} has no {' or '.join(ALIASES[name])}, as a folder of class folders or as Parquet "
                f"({_holds(Path(self.path))})"
            )
        part = self.parts[name]
        if part.missing:
            n, listed = len(part.missing) + len(part.names), self._listed(part)
            look = "`syntrans data check` lists them, and says where to get them"
            raise InputError(f"{self.path} lacks {len(part.missing)} of the {n} {name} classes: {listed}; {look}")
        return part

    def _listed(self, part: Part) -> str:
        """The missing classes; of a split of one's own with the nearest spelling that is there."""
        if self.dataset:
            return ", ".join(part.missing[:3]) + ", ..."
        return nearest([ClassEntry(key, key) for key in part.missing], part.pool.keys)


def open_source(
    path: str, dataset: str = AUTO, *, split_file: str | None = None, columns: Columns = ANY, per_class: int = 60
) -> Source:
    """What lies at `path`: "world", "world-fine/<slot>", `hf://org/name`, a folder, a file, or a glob of Parquet files.

    Raises `InputError` when nothing is there or it cannot be told what it is, `UsageError` for an unknown name.
    """
    if path == WORLD or path.startswith(FINE):
        path = _world(path.removeprefix(FINE) if path != WORLD else None, per_class)
    if dataset not in (AUTO, *DATASETS):
        raise UsageError(f"dataset {dataset!r} is not known; known are {', '.join((AUTO, *DATASETS))}")
    if dataset != AUTO and split_file:
        raise UsageError(f"dataset {dataset!r} has a published class split; leave out split_file, or dataset")
    if not path.startswith(PREFIX):
        path = str(Path(path).expanduser())
    if split_file:
        return Source("", path, read_split(split_path(split_file)).divide(_pool(path, columns)))
    if dataset in (AUTO, "mini") and (lists := find_lists(Path(path))):
        return _own(path, {name: listed_files(Path(path), file) for name, file in lists.items()})
    if dataset != AUTO:
        if dataset in ("cifar-fs", "fc100"):
            columns = columns._replace(names=columns.names or _cifar_labels())
        return Source(dataset, path, DATASETS[dataset].split.divide(_pool(path, columns)))
    return _detect(path, columns)


def _world(fine: str | None, per_class: int) -> str:
    """The folder of the embedded world's pictures, or of its fine-grained classes; drawn when they are not there."""
    from syntrans_training.world.export import export_cached
    from syntrans_training.world.fine import FINE_SLOTS

    if fine is not None and fine not in FINE_SLOTS:
        raise UsageError(
            f"data.path {FINE}{fine!s}: the fine-grained worlds are {', '.join(FINE + s for s in FINE_SLOTS)}"
        )
    return str(export_cached(per_class, fine=fine))


def _detect(path: str, columns: Columns) -> Source:
    if path.startswith(PREFIX):
        return _own(path, hub_parts(path, columns))
    root = Path(path)
    if find_archive(root):
        raise InputError(f"{path} is CIFAR-100, which two data sets divide; say data.dataset=cifar-fs or fc100")
    divided = {name: pool for name in PARTS if (pool := _named_part(root, name, columns))}
    pool = class_folders(root) if root.is_dir() else FolderPool({})
    within = [name for name, known in DATASETS.items() if known.split.keys <= set(pool.keys)]
    if divided and not (within and _overlap(divided)):  # ImageNet's train and val have the same classes
        return _own(path, divided)
    if not root.is_dir():
        rule = "give one, 'world', or Parquet together with data.split_file or data.dataset"
        raise InputError(f"data.path {path!r} is not a folder; {rule}")
    exact = [name for name in within if len(pool.keys) == len(DATASETS[name].split.keys)]
    if len(exact) == 1:
        return Source(exact[0], path, DATASETS[exact[0]].split.divide(pool))
    if within:
        raise InputError(f"{path} could be {', '.join(exact or within)}, by its classes; say data.dataset=NAME")
    rule = "name a published data set with data.dataset, or divide the classes with data.split_file"
    raise InputError(f"{path} has no parts base, val and novel ({_holds(root)}); {rule}")


def _overlap(pools: Mapping[str, Pool]) -> bool:
    return len({key for pool in pools.values() for key in pool.keys}) < sum(len(pool.keys) for pool in pools.values())


def _pool(path: str, columns: Columns) -> Pool:
    """All classes of a path that is not divided."""
    if path.startswith(PREFIX):
        return hub_pool(path, columns)
    root = Path(path)
    if archive := find_archive(root):
        return CifarPool(archive)
    if files := parquet_files(root):
        return ParquetPool(files, columns)
    if not root.is_dir():
        raise InputError(f"data.path {path!r} is not there; give a folder, Parquet files, or 'world'")
    pool = class_folders(root)
    if not pool.keys:
        raise InputError(f"{path} has neither class folders nor Parquet files ({_holds(root)})")
    return pool


def _named_part(root: Path, name: str, columns: Columns) -> Pool | None:
    """The pool in a folder or in Parquet files called after the part."""
    for alias in ALIASES[name]:
        for pattern in (f"{alias}.parquet", f"{alias}-*.parquet", f"data/{alias}-*.parquet", f"{alias}/**/*.parquet"):
            if files := sorted(root.glob(pattern)):
                return ParquetPool(files, columns)
        if (root / alias).is_dir() and (pool := class_folders(root / alias)).keys:
            return pool
    return None


def _own(path: str, pools: Mapping[str, Pool]) -> Source:
    """A source that is divided already; if it is divided like a published data set, it is called that."""
    for name, known in DATASETS.items():
        if pools and all(set(pool.keys) == set(known.split.parts[part]) for part, pool in pools.items()):
            parts = {part: Part(pool, known.split.parts[part]) for part, pool in pools.items()}
            return Source(name, path, parts)
    return Source(
        "", path, {part: Part(pool, {key: composed(key) for key in pool.keys}) for part, pool in pools.items()}
    )


def _cifar_labels() -> list[str]:
    """CIFAR-100 numbers its fine classes by the alphabet."""
    return sorted(DATASETS["fc100"].split.keys)


def _holds(root: Path) -> str:
    if not root.is_dir():
        return "it is not a local folder"
    found = sorted(below.name for below in root.iterdir() if not below.name.startswith("."))
    pickled = next((name for name in found if name.endswith((".pkl", ".pickle"))), None)
    note = f"; {pickled} is a pickle, which is never read: use the pictures themselves" if pickled else ""
    return f"it holds {', '.join(found[:8]) or 'nothing'}{note}"
