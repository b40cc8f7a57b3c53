"""Write the world's pictures as an ordinary data set: Parquet files in the Hugging Face image form."""

import io
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
    stamp = {"world_seed": str(WORLD_SEED), "seed": str(seed), "per_class": str(per_class)}
    if fine:
        stamp["world_seed"] = f"{FINE_SEED} {fine}"
    for split in SPLIT_SIZES:
        target = out_dir / f"{split}.parquet"
        if not _is_current(target, stamp):
            _write_split(target, split, fine_classes(fine) if fine else CLASSES, per_class, seed, stamp)
    return out_dir


def export_cached(per_class: int = 60, *, fine: str | None = None) -> Path:
    """The export of that size in the cache, written once; each size has a folder of its own."""
    folder = artifacts_root() / "cache" / (f"world-fine/{fine}" if fine else "world")
    return export(folder / str(per_class), per_class, fine=fine)


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
    schema = _SCHEMA.with_metadata({**(_SCHEMA.metadata or {}), **{k.encode(): v.encode() for k, v in stamp.items()}})
    table = pa.Table.from_arrays([pa.array(images, _SCHEMA.field("image").type), pa.array(names)], schema=schema)
    write_sealed(target, table, compression="none", row_group_size=1000)
