"""A data source: a folder with the splits base, val and novel, or the embedded world."""

from pathlib import Path

from syntrans.errors import InputError
from syntrans.images import open_images
from syntrans.paths import artifacts_root
from syntrans_training.progress import say

from .store import Split, load_split

SPLITS = ("base", "val", "novel")


def locate(path: str, *, per_class: int) -> Path:
    """The folder behind `data.path`; "world" draws the embedded world's pictures into the cache first."""
    if path == "world":
        from syntrans_training.world.export import export

        return export(artifacts_root() / "cache" / "world", per_class=per_class)
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise InputError(f"data.path {path!r} is not a folder; give a folder with {', '.join(SPLITS)}, or 'world'")
    return folder


def load_splits(
    path: str,
    *,
    size: int,
    names: tuple[str, ...] = SPLITS,
    per_class: int = 60,
    limit_per_class: int | None = None,
    max_broken_share: float = 0.01,
) -> dict[str, Split]:
    """The named splits of a source, decoded to `size` x `size` (from the cache when they were decoded before).

    Raises `InputError` when a split is missing, empty, too broken, or shares a class with another split.
    """
    folder = locate(path, per_class=per_class)
    splits: dict[str, Split] = {}
    for name in names:
        images = open_images(_split_path(folder, name), limit_per_class)
        splits[name] = load_split(name, images, size=size, max_broken_share=max_broken_share)
        if splits[name].broken:
            first = ", ".join(splits[name].broken[:3])
            say(f"{name}: skipped {len(splits[name].broken)} broken images ({first}, ...)")
    _check_disjoint(splits)
    return splits


def _split_path(folder: Path, name: str) -> Path:
    for candidate in (folder / f"{name}.parquet", folder / name):
        if candidate.exists():
            return candidate
    found = ", ".join(sorted(p.name for p in folder.iterdir())[:8]) or "nothing"
    raise InputError(f"{folder} has neither {name}.parquet nor a folder {name}/ (it holds {found})")


def _check_disjoint(splits: dict[str, Split]) -> None:
    owner: dict[str, str] = {}
    for name, split in splits.items():
        for key in split.classes:
            if key in owner:
                raise InputError(f"class {key!r} is in {owner[key]} and in {name}; few-shot splits share no class")
            owner[key] = name
