"""From a path to its parts base, val and novel, without reading a picture.

Either the path is divided already (lists, folders or files named after the parts), or it is one pool of classes that a
class split divides: the published one of a named data set, or the user's own file.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from syntrans.classes.entries import ClassEntry, composed
from syntrans.classes.match import nearest
from syntrans.errors import InputError, UsageError
from syntrans.images.cifar import find_archive
from syntrans.images.columns import ANY, Columns
from syntrans.images.folders import ALIASES, PARTS, FolderPool, class_folders
from syntrans.images.hub import PREFIX
from syntrans.images.layouts import beside_parts, holds, named_parts, whole_pool
from syntrans.images.lists import find_lists
from syntrans.images.parquet_pool import parquet_files
from syntrans.images.reference import PassedOver, Pool, passed_over
from syntrans.named_data import named_data
from syntrans_training.data.auto_split import by_chance, divide_classes
from syntrans_training.data.class_split import ClassSplit, read_split, split_path
from syntrans_training.data.datasets import DATASETS
from syntrans_training.data.pool import Part

AUTO = "auto"


class NotDivided(InputError):
    """The data has classes, and nothing says which are base, val and novel."""


@dataclass(frozen=True)
class Source:
    """A data set that was found: its name ("" if it is the user's own), where it is, and its parts."""

    dataset: str
    path: str
    parts: Mapping[str, Part]

    @property
    def passed_over(self) -> PassedOver:
        """What was left out of the parts that were looked at so far, what lies beside them, and what is in none."""
        pools = {id(part.pool): part.pool for part in self.parts.values()}  # a split divides one pool
        total = passed_over(pools.values())
        taken = {key for part in self.parts.values() for key in part.names}
        outside = [key for pool in pools.values() for key in pool.keys if key not in taken]
        total.add_all("classes that are in no part of the split", outside)
        if len(pools) > 1:
            total.update(beside_parts(self.path))
        return total

    def part(self, name: str) -> Part:
        """Base, val or novel; InputError when it is not there, or lacks classes of the split."""
        if name not in self.parts:
            raise InputError(
                f"{self.path} has no {' or '.join(ALIASES[name])}, as a folder of class folders or as Parquet "
                f"({holds(Path(self.path))})"
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
    path: str,
    dataset: str = AUTO,
    *,
    split_file: str | ClassSplit | None = None,
    columns: Columns = ANY,
    per_class: int = 60,
) -> Source:
    """What lies at `path`: "world", "world-fine/<slot>", `hf://org/name`, a folder, a file, or a glob of Parquet files.

    `split_file` divides its classes: a file, a shipped subset, a split that was read, or `auto` and shares by chance.
    Raises `InputError` when nothing is there or it cannot be told what it is, `UsageError` for an unknown name.
    """
    if named := named_data(path):
        path = str(named[0].folder(named[1], per_class))
    if dataset not in (AUTO, *DATASETS):
        raise UsageError(f"dataset {dataset!r} is not known; known are {', '.join((AUTO, *DATASETS))}")
    if dataset != AUTO and split_file:
        raise UsageError(f"dataset {dataset!r} has a published class split; leave out split_file, or dataset")
    if not path.startswith(PREFIX):
        path = str(Path(path).expanduser())
    if isinstance(split_file, str) and by_chance(split_file):
        pool = undivided(path, columns) if split_file == AUTO else whole_pool(path, columns)
        if pool is None:
            return open_source(path, columns=columns)
        return Source("", path, divide_classes(pool.keys, split_file, seed=0).divide(pool))
    if split_file:
        split = read_split(split_path(split_file)) if isinstance(split_file, str) else split_file
        return Source("", path, split.divide(whole_pool(path, columns, named=split.spellings)))
    if dataset in (AUTO, "mini") and find_lists(Path(path)):
        return _own(path, named_parts(path, columns))
    if dataset != AUTO:
        if dataset in ("cifar-fs", "fc100"):
            columns = columns._replace(names=columns.names or _cifar_labels())
        return Source(dataset, path, DATASETS[dataset].split.divide(whole_pool(path, columns, lists=False)))
    return _detect(path, columns)


def undivided(path: str, columns: Columns = ANY, *, named: Collection[str] = ()) -> Pool | None:
    """All classes of a path that nothing divides into base, val and novel; None where they are divided.

    `named` as in `whole_pool`.
    Parts that share classes (train and test pictures of the same ones), or of which one is missing, divide nothing.
    """
    try:
        parts = open_source(path, columns=columns).parts
    except NotDivided:
        return whole_pool(path, columns, named=named)
    classes = [key for part in parts.values() for key in part.names]
    whole = set(parts) == set(PARTS) and len(set(classes)) == len(classes)
    return None if whole else whole_pool(path, columns, named=named)


def all_novel(path: str, columns: Columns = ANY) -> ClassSplit | None:
    """Every class of a path that nothing divides, as novel; None where it is divided, and has a novel part."""
    pool = undivided(path, columns)
    if pool is None:
        return None
    return ClassSplit(
        path, {name: {key: composed(key) for key in pool.keys} if name == "novel" else {} for name in PARTS}
    )


def _detect(path: str, columns: Columns) -> Source:
    if path.startswith(PREFIX):
        return _own(path, named_parts(path, columns))
    root = Path(path)
    if find_archive(root):
        raise InputError(f"{path} is CIFAR-100, which two data sets divide; say data.dataset=cifar-fs or fc100")
    divided = named_parts(path, columns, lists=False)
    pool = class_folders(root) if root.is_dir() else FolderPool({})
    within = [name for name, published in DATASETS.items() if published.split.keys <= set(pool.keys)]
    if divided and not (within and _overlap(divided)):  # ImageNet's train and val have the same classes
        return _own(path, divided)
    if not root.is_dir():
        rule = "give one, 'world', or Parquet together with data.split_file or data.dataset"
        kind = NotDivided if parquet_files(root) else InputError
        raise kind(f"data.path {path!r} is not a folder; {rule}")
    exact = [name for name in within if len(pool.keys) == len(DATASETS[name].split.keys)]
    if len(exact) == 1:
        return Source(exact[0], path, DATASETS[exact[0]].split.divide(pool))
    if within:
        raise InputError(f"{path} could be {', '.join(exact or within)}, by its classes; say data.dataset=NAME")
    rule = "divide the classes with --split auto or data.split_file, or name a published data set with data.dataset"
    raise NotDivided(f"{path} has no parts base, val and novel ({holds(root)}); {rule}")


def _overlap(pools: Mapping[str, Pool]) -> bool:
    return len({key for pool in pools.values() for key in pool.keys}) < sum(len(pool.keys) for pool in pools.values())


def _own(path: str, pools: Mapping[str, Pool]) -> Source:
    """A source that is divided already; if it is divided like a published data set, it is called that."""
    for name, published in DATASETS.items():
        if pools and all(set(pool.keys) == set(published.split.parts[part]) for part, pool in pools.items()):
            parts = {part: Part(pool, published.split.parts[part]) for part, pool in pools.items()}
            return Source(name, path, parts)
    return Source(
        "", path, {part: Part(pool, {key: composed(key) for key in pool.keys}) for part, pool in pools.items()}
    )


def _cifar_labels() -> list[str]:
    """CIFAR-100 numbers its fine classes by the alphabet."""
    return sorted(DATASETS["fc100"].split.keys)
