"""One folder of pictures per class: any tree of one's own, ImageNet's wnid folders, CUB_200_2011.

Folders named like a part (train, val, test, ...) or like the place of the classes (images) hold class folders and are
no classes themselves. There are two exceptions: one that holds pictures and no folder of pictures is a class; and so is
one whose name is a class of the split file or class list, unless class folders of these lie in it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path

from syntrans.classes.entries import composed, is_unicode
from syntrans.images.decode import read_file
from syntrans.images.files import NO_TEXT, has_picture, is_lost_folder, list_pictures, visible, visible_folders
from syntrans.images.hashes import sha256_of
from syntrans.images.reference import ImageRef, PassedOver, Picture

PARTS = ("base", "val", "novel")
ALIASES = {"base": ("base", "train"), "val": ("val", "valid", "validation"), "novel": ("novel", "test")}
# Where class folders may lie below the path that was given. The first place that has a class serves it: ImageNet has
# train/<wnid> and val/<wnid>, of which training pictures are meant.
_PART_FOLDERS = ("train", "base", "val", "valid", "validation", "test", "novel")
_PLACES = ("images", "CUB_200_2011/images", *_PART_FOLDERS)
_CONTAINERS = frozenset({"CUB_200_2011", "images", *_PART_FOLDERS})


class FilePool:
    """Picture files by class key."""

    def __init__(self, files: Mapping[str, Sequence[Path]], passed_over: PassedOver | None = None) -> None:
        self._files = files
        self.passed_over = passed_over or PassedOver()

    @property
    def keys(self) -> Sequence[str]:
        """The class keys."""
        return list(self._files)

    def pictures(self, keys: Sequence[str], limit: int | None) -> dict[str, list[Picture]]:
        """Files in the order they were given; hashed in parallel."""
        chosen = [(key, file) for key in keys for file in self._files[key][:limit]]
        by_class: dict[str, list[Picture]] = {key: [] for key in keys}
        for (key, file), sha in zip(chosen, sha256_of([file for _, file in chosen]), strict=True):
            by_class[key].append(ImageRef(key, sha, partial(read_file, file), str(file)))
        return by_class


class FolderPool:
    """Class folders; a class's files are listed when they are asked for."""

    def __init__(self, folders: Mapping[str, Path], passed_over: PassedOver | None = None) -> None:
        self._folders = folders
        self._listed: dict[str, list[Path]] = {}
        self.passed_over = passed_over or PassedOver()

    @property
    def keys(self) -> Sequence[str]:
        """The names of the class folders."""
        return list(self._folders)

    def pictures(self, keys: Sequence[str], limit: int | None) -> dict[str, list[Picture]]:
        """Files by path, also those in folders below the class folder."""
        for key in keys:
            if key not in self._listed:
                self._listed[key], passed = list_pictures(self._folders[key])
                self.passed_over.update(passed)
        return FilePool(self._listed).pictures(keys, limit)


def class_folders(root: Path, named: Collection[str] = ()) -> FolderPool:
    """The class folders below ``root``, wherever the usual layouts put them.

    ``named``: the classes of a split file or class list, as `classes.composed` writes them. Folders without a picture
    are no classes.
    """
    folders, passed = {}, PassedOver()
    inside = [folder for folder in visible_folders(root) if not is_container(folder, named)]
    for place in _PLACES:
        parent = root / place
        if parent.is_dir() and is_container(root / Path(place).parts[0], named):
            inside += visible_folders(parent)
    for folder in inside:
        if not is_unicode(folder.name):
            passed.add(NO_TEXT, folder.name)
        elif folder.name in folders:
            passed.add("class folders that are in two places", str(folder.relative_to(root)))
        elif has_picture(folder):
            folders[folder.name] = folder
        else:
            passed.add("folders without pictures", folder.name)
    for path in visible(root):
        if is_lost_folder(path):
            passed.add("broken links", path.name)
    return FolderPool(dict(sorted(folders.items())), passed)


def is_container(folder: Path, named: Collection[str] = ()) -> bool:
    """Whether a folder holds classes and is none, see the head of this file."""
    if folder.name not in _CONTAINERS:
        return False
    inside = visible_folders(folder)
    if composed(folder.name) in named:
        return any(composed(below.name) in named for below in inside)
    return any(map(has_picture, inside)) or any(is_parquet(path) for path in visible(folder))


def is_parquet(path: Path) -> bool:
    """Whether a file is Parquet with pictures, by its name; ``.features.parquet`` has none."""
    return path.name.endswith(".parquet") and not path.name.endswith(".features.parquet") and path.is_file()
