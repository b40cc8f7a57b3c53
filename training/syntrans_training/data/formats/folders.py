"""One folder of pictures per class: any tree of one's own, ImageNet's wnid folders, CUB_200_2011."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from syntrans.images import SUFFIXES, ImageRef, read_file
from syntrans_training.data.hashes import sha256_of
from syntrans_training.data.pool import Picture

# Where class folders may lie below the path that was given. The first place that has a class serves it: ImageNet has
# train/<wnid> and val/<wnid>, of which training pictures are meant.
PLACES = ("", "images", "CUB_200_2011/images", "train", "base", "val", "valid", "validation", "test", "novel")


class FilePool:
    """Picture files by class key."""

    def __init__(self, files: Mapping[str, Sequence[Path]]) -> None:
        self._files = files

    @property
    def keys(self) -> Sequence[str]:
        """The class keys."""
        return list(self._files)

    def pictures(self, keys: Sequence[str], limit: int | None) -> dict[str, list[Picture]]:
        """Files in the order they were given; hashed in parallel."""
        chosen = [(key, file) for key in keys for file in self._files[key][:limit]]
        found: dict[str, list[Picture]] = {key: [] for key in keys}
        for (key, file), sha in zip(chosen, sha256_of([file for _, file in chosen]), strict=True):
            found[key].append(ImageRef(key, sha, partial(read_file, file), str(file)))
        return found


class FolderPool:
    """Class folders; a class's files are listed when they are asked for."""

    def __init__(self, folders: Mapping[str, Path]) -> None:
        self._folders = folders

    @property
    def keys(self) -> Sequence[str]:
        """The names of the class folders."""
        return list(self._folders)

    def pictures(self, keys: Sequence[str], limit: int | None) -> dict[str, list[Picture]]:
        """Files by path, also those in folders below the class folder."""
        return FilePool({key: _files(self._folders[key]) for key in keys}).pictures(keys, limit)


def class_folders(root: Path) -> FolderPool:
    """The class folders below `root`, wherever the usual layouts put them."""
    found: dict[str, Path] = {}
    for place in PLACES:
        for folder in _visible_folders(root / place):
            if folder.name not in PLACES and folder.name != "CUB_200_2011":
                found.setdefault(folder.name, folder)
    return FolderPool(dict(sorted(found.items())))


def _visible_folders(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from (below for below in sorted(path.iterdir()) if below.is_dir() and not below.name.startswith("."))


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
