"""From a path to its pictures by class, without reading one: the layouts that every command knows.

A path is a folder of class folders, Parquet (a file, a folder of them, a glob), lists beside pictures (miniImageNet's
CSV files), the archive of CIFAR-100, or ``hf://`` and a data set of the Hub. Folders and files named after parts
(train, val, test, ...) divide it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from syntrans.errors import InputError
from syntrans.images.cifar import CifarPool, find_archive
from syntrans.images.columns import ANY, Columns
from syntrans.images.decode import suffixes
from syntrans.images.files import has_picture, is_picture, loose_pictures, pictures_among, visible, visible_folders
from syntrans.images.folders import ALIASES, PARTS, FilePool, class_folders, is_container, is_parquet
from syntrans.images.hub import PREFIX, hub_parts, hub_pool
from syntrans.images.lists import find_lists, listed_files
from syntrans.images.parquet_pool import ParquetPool, files_below, globbed, is_glob, parquet_files
from syntrans.images.reference import MergedPool, PassedOver, Pool


def whole_pool(
    path: str, columns: Columns = ANY, *, named: Collection[str] = (), lists: bool = True, stay: bool = False
) -> Pool:
    """All classes of a path, whether it is divided or not.

    ``named``: the classes of a split file or class list, see `class_folders`; ``lists``: whether CSV lists choose the
    pictures; ``stay``: see `ParquetPool`. Raises InputError where nothing is there, or no class.
    """
    if path.startswith(PREFIX):
        return hub_pool(path, columns)
    root = Path(path)
    if archive := find_archive(root):
        return CifarPool(archive)
    if lists and (list_files := find_lists(root)):
        return MergedPool([listed_files(root, file) for file in list_files.values()])
    if columns.unlabelled and is_glob(root) and not any(is_parquet(file) for file in globbed(root)):
        raise InputError(_nothing(path, root, by_class=False))
    pools: list[Pool] = []
    files = parquet_files(root, named)
    if root.is_dir() and (folders := class_folders(root, named)).keys:
        pools.append(folders)
    elif root.is_dir():
        files = files or files_below(root)
    if files:
        pools.insert(0, ParquetPool(files, columns, stay=stay))
    if not pools:
        raise InputError(_nothing(path, root, by_class=not columns.unlabelled))
    return MergedPool(pools) if len(pools) > 1 else pools[0]


def named_parts(path: str, columns: Columns = ANY, *, lists: bool = True, stay: bool = False) -> dict[str, Pool]:
    """Base, val and novel, as far as lists, folders or files are named after them; empty where nothing divides."""
    if path.startswith(PREFIX):
        return dict(hub_parts(path, columns))
    root = Path(path)
    if lists and (list_files := find_lists(root)):
        return {name: listed_files(root, file) for name, file in list_files.items()}
    return {name: pool for name in PARTS if (pool := _named_part(root, name, columns, stay=stay))}


def beside_parts(path: str) -> PassedOver:
    """What of a divided path is in no part: class folders, and a second folder, file or list of a part."""
    passed, root = PassedOver(), Path(path)
    if path.startswith(PREFIX):
        return passed
    listed = bool(find_lists(root))
    for aliases in ALIASES.values():
        there = [alias for alias in aliases if _is_part(root, alias, listed=listed)]
        passed.add_all("further folders or files of a part", there[1:])
    for folder in [] if listed else visible_folders(root):
        if not is_container(folder) and has_picture(folder):
            passed.add("class folders beside the parts", folder.name)
    return passed


def _is_part(root: Path, alias: str, *, listed: bool) -> bool:
    return (root / f"{alias}.csv").is_file() if listed else _part_called(root, alias, ANY, stay=True) is not None


def loose_pool(path: str) -> FilePool:
    """Pictures that are in no class, under the key "": one file, what fits a pattern, or those in a folder itself."""
    root = Path(path)
    if root.is_file():
        return FilePool({"": [root]} if root.suffix.lower() in suffixes() or is_picture(root) else {})
    files, passed = loose_pictures(root) if root.is_dir() else pictures_among(globbed(root))
    return FilePool({"": files} if files else {}, passed)


def holds(root: Path) -> str:
    """What a path holds, for messages."""
    if not root.is_dir():
        return "it is not a local folder"
    return f"it holds {_listed([below.name for below in visible(root)])}"


def _listed(names: Sequence[str]) -> str:
    pickled = next((name for name in names if name.endswith((".pkl", ".pickle"))), None)
    note = f"; {pickled} is a pickle, which is never read: use the pictures themselves" if pickled else _heic(names)
    return f"{', '.join(names[:8]) or 'nothing'}{note}"


def _heic(names: Sequence[str]) -> str:
    return (
        "; HEIC is not read: save it as JPEG"
        if any(name.lower().endswith((".heic", ".heif")) for name in names)
        else ""
    )


def _nothing(path: str, root: Path, *, by_class: bool) -> str:
    gone = "is a pipe, socket or device" if root.exists() else "is not there"
    if not by_class:
        what = (
            f"is no picture{_heic([root.name])}"
            if root.is_file()
            else f"holds no picture ({holds(root)})"
            if root.is_dir()
            else f"fits no picture ({_listed([file.name for file in globbed(root)])})"
            if is_glob(root)
            else gone
        )
        return f"{path} {what}; give a picture, a folder, a pattern in quotes, or Parquet"
    if root.is_file():
        return f"{path} is a file; give a folder of pictures by class, or a Parquet file"
    if root.is_dir():
        loose = len(loose_pictures(root)[0])
        lie = "picture lies" if loose == 1 else "pictures lie"
        have = f"{loose} {lie} in it, in no class" if loose else holds(root)
        return f"{path} holds no picture by class ({have}); give one folder a class, or Parquet with image and class"
    return f"{path} {gone}; give a folder, or a Parquet file"


def _named_part(root: Path, name: str, columns: Columns, *, stay: bool) -> Pool | None:
    """The pool in a folder or in Parquet files called after the part: of several those of the first alias."""
    pools = (_part_called(root, alias, columns, stay=stay) for alias in ALIASES[name])
    return next((pool for pool in pools if pool is not None), None)


def _part_called(root: Path, alias: str, columns: Columns, *, stay: bool) -> Pool | None:
    for pattern in (f"{alias}.parquet", f"{alias}-*.parquet", f"data/{alias}-*.parquet"):
        if files := sorted(file for file in root.glob(pattern) if is_parquet(file)):
            return ParquetPool(files, columns, stay=stay)
    if files := files_below(root / alias):
        return ParquetPool(files, columns, stay=stay)
    if (root / alias).is_dir() and (pool := class_folders(root / alias)).keys:
        return pool
    return None
