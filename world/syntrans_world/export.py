"""Write the world's pictures as an ordinary data set: Parquet files in the Hugging Face image form."""

import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

from syntrans.errors import InputError
from syntrans.files.sealed_parquet import read_sealed, write_sealed
from syntrans.paths import artifacts_root, make_dir
from syntrans_world.fine import FINE_SEED, fine_classes
from syntrans_world.render import render, typical
from syntrans_world.spec import CLASSES, SPLIT_SIZES, WORLD_SEED, WorldClass

_SCHEMA = pa.schema(
    [("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])), ("class", pa.string())]
).with_metadata(
    {
        "huggingface": '{"info": {"features": {"image": {"_type": "Image"}, '
        '"class": {"dtype": "string", "_type": "Value"}}}}'
    }
)


def _png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def export(out_dir: Path, per_class: int = 60, seed: int = 0, *, fine: str | None = None) -> Path:
    """Write base.parquet, val.parquet and novel.parquet (columns image{bytes, path}, class = the class's name).

    Picture i of class c depends on (seed, c, i) alone, so a smaller export is a prefix of a larger one. `fine` names
    the slot of a fine-grained world (`fine.py`). Files that already hold as many pictures of the same seed are left
    as they are.
    """
    make_dir(out_dir)
    stamp = _stamp(per_class, seed, fine)
    for split in SPLIT_SIZES:
        target = out_dir / f"{split}.parquet"
        if not _is_current(target, stamp):
            _write_split(target, split, fine_classes(fine) if fine else CLASSES, per_class, seed, stamp)
    return out_dir


def export_cached(per_class: int = 60, *, fine: str | None = None) -> Path:
    """The export of that size in the cache, written once; each size has a folder of its own.

    Where a larger one lies there, its first pictures are taken: they are the same, and drawing them takes seconds.
    """
    folder = artifacts_root() / "cache" / (f"world-fine/{fine}" if fine else "world")
    sizes = sorted(int(path.name) for path in folder.glob("*") if path.name.isdecimal())
    target = make_dir(folder / str(per_class))
    for split in SPLIT_SIZES:
        name, stamp = f"{split}.parquet", _stamp(per_class, 0, fine)
        if not _is_current(target / name, stamp):
            larger = ((folder / str(n) / name, n) for n in sizes if n > per_class)
            kept = next((path for path, n in larger if _is_current(path, _stamp(n, 0, fine))), None)
            if kept is not None:
                _write_first(kept, target / name, per_class, stamp)
    return export(target, per_class, fine=fine)


def _stamp(per_class: int, seed: int, fine: str | None) -> dict[str, str]:
    """What a file says of its pictures."""
    world = f"{FINE_SEED} {fine}" if fine else str(WORLD_SEED)
    return {"world_seed": world, "seed": str(seed), "per_class": str(per_class)}


def _is_current(target: Path, stamp: dict[str, str]) -> bool:
    if not target.is_file():
        return False
    try:
        metadata = read_sealed(target).schema.metadata or {}
    except InputError:  # damaged: written anew
        return False
    return all(metadata.get(key.encode()) == value.encode() for key, value in stamp.items())


def _write_split(
    target: Path, split: str, classes: Sequence[WorldClass], per_class: int, seed: int, stamp: dict[str, str]
) -> None:
    images, names = [], []
    for number, entry in enumerate(classes):
        if entry.split != split:
            continue
        for i in range(per_class):
            rng = np.random.default_rng((WORLD_SEED, seed, number, i))
            picture = render(typical(entry.attributes, rng), rng)
            images.append({"bytes": _png(picture), "path": f"{entry.id}_{i:04d}.png"})
            names.append(entry.name)
    _write(target, pa.array(images, _SCHEMA.field("image").type), pa.array(names), stamp)


def _write_first(larger: Path, target: Path, per_class: int, stamp: dict[str, str]) -> None:
    """The first pictures of every class of a larger file."""
    table = read_sealed(larger)
    numbers, classes = [], table.column("class").to_pylist()
    taken: Counter[str] = Counter()
    for number, name in enumerate(classes):
        taken[name] += 1
        if taken[name] <= per_class:
            numbers.append(number)
    first = table.take(numbers).combine_chunks()
    _write(target, first.column("image").combine_chunks(), first.column("class").combine_chunks(), stamp)


def _write(target: Path, images: pa.Array, names: pa.Array, stamp: dict[str, str]) -> None:
    schema = _SCHEMA.with_metadata({**(_SCHEMA.metadata or {}), **{k.encode(): v.encode() for k, v in stamp.items()}})
    table = pa.Table.from_arrays([images, names], schema=schema)
    write_sealed(target, table, compression="none", row_group_size=1000)
