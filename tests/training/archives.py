"""Toy copies of the published data sets in their true formats: every class, few pictures.

    python tests/training/archives.py NAME OUT [PER_CLASS]     NAME: mini, mini-wnid, tiered, cifar, cifar-parquet, cub

A class is a fixed coloured pattern, its pictures are shifted and noisy copies: learnable, and no two alike.
"""

from __future__ import annotations

import csv
import io
import json
import pickle  # noqa: TID251 - one of the formats is a pickle
import struct
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

SPLITS = Path(__file__).parents[2] / "training" / "syntrans_training" / "data" / "splits"
IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def classes(name: str) -> dict[str, list[str]]:
    """Class keys of a published split by train, val, test."""
    values = json.loads((SPLITS / f"{name}.json").read_text())
    return {part: [item["id"] for item in values[part]] for part in ("train", "val", "test")}


def pixels(number: int, i: int, size: int) -> np.ndarray:
    """Picture i of class `number`: [size, size, 3] uint8."""
    pattern = np.random.default_rng(number).integers(40, 215, (4, 4, 3)).astype(np.uint8)
    rng = np.random.default_rng((number, i))
    large = np.asarray(Image.fromarray(pattern).resize((size + 8, size + 8), Image.Resampling.BICUBIC), dtype=float)
    y, x = rng.integers(0, 9, 2)
    noisy = large[y : y + size, x : x + size] + rng.normal(0, 20, (size, size, 3)) + rng.normal(0, 15)
    return noisy.clip(0, 255).astype(np.uint8)


def encoded(number: int, i: int, size: int, kind: str = "JPEG") -> bytes:
    """The same, as a file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels(number, i, size)).save(buffer, format=kind)
    return buffer.getvalue()


def mini_csv(out: Path, per_class: int = 20, keys: dict[str, list[str]] | None = None) -> Path:
    """train.csv, val.csv, test.csv with filename,label and images/<wnid><8 digits>.jpg, 84 x 84."""
    (out / "images").mkdir(parents=True)
    number = 0
    for part, wnids in (keys or classes("mini")).items():
        with (out / f"{part}.csv").open("w", newline="") as stream:
            rows = csv.writer(stream)
            rows.writerow(["filename", "label"])
            for wnid in wnids:
                for i in range(per_class):
                    name = f"{wnid}{i + 1:08d}.jpg"
                    (out / "images" / name).write_bytes(encoded(number, i, 84))
                    rows.writerow([name, wnid])
                number += 1
    return out


def class_folders(out: Path, keys: list[str], per_class: int, size: int = 64, suffix: str = ".JPEG") -> Path:
    """<key>/<key>_<i>.JPEG, as ImageNet and CUB have it."""
    for number, key in enumerate(keys):
        (out / key).mkdir(parents=True)
        for i in range(per_class):
            (out / key / f"{key}_{i}{suffix}").write_bytes(encoded(number, i, size))
    return out


def imagenet(out: Path, name: str, per_class: int = 20, size: int = 64) -> Path:
    """ImageNet's training folder with the classes of mini or tiered, and two that are in neither."""
    keys = [key for part in classes(name).values() for key in part]
    class_folders(out / "train", [*keys, "n00000001", "n00000002"], per_class, size)
    return out


def cub(out: Path, per_class: int = 20) -> Path:
    """CUB_200_2011/ with images/, images.txt and classes.txt."""
    keys = sorted(key for part in classes("cub").values() for key in part)
    root = out / "CUB_200_2011"
    class_folders(root / "images", keys, per_class, 48, ".jpg")
    (root / "classes.txt").write_text("".join(f"{n} {key}\n" for n, key in enumerate(keys, 1)))
    files = [f"{key}/{key}_{i}.jpg" for key in keys for i in range(per_class)]
    (root / "images.txt").write_text("".join(f"{n} {file}\n" for n, file in enumerate(files, 1)))
    return out


def cifar_names() -> list[str]:
    """The fine labels in the archive's order."""
    return sorted(key for part in classes("fc100").values() for key in part)


def cifar_rows(per_class: int) -> Iterator[tuple[str, np.ndarray, list[int]]]:
    """(train or test, data [n, 3072], fine labels): five sixths and one sixth of each class, in a mixed order."""
    n_test = max(1, per_class // 6)
    for name, numbers in (("train", range(per_class - n_test)), ("test", range(per_class - n_test, per_class))):
        pairs = [(c, i) for c in range(100) for i in numbers]
        order = np.random.default_rng(0).permutation(len(pairs))
        data = np.stack([pixels(pairs[k][0], pairs[k][1], 32).transpose(2, 0, 1).reshape(-1) for k in order])
        yield name, data, [pairs[k][0] for k in order]


def cifar(out: Path, per_class: int = 20) -> Path:
    """cifar-100-python.tar.gz with train, test and meta, byte for byte as Python 2's cPickle writes them."""
    files: dict[str, dict[str, Any]] = {"meta": {"fine_label_names": cifar_names(), "coarse_label_names": ["a", "b"]}}
    for name, data, fine in cifar_rows(per_class):
        files[name] = {
            "filenames": [f"picture_s_{k:06d}.png" for k in range(len(fine))],
            "batch_label": f"{name}ing batch 1 of 1",
            "fine_labels": fine,
            "coarse_labels": [0] * len(fine),
            "data": data,
        }
    return tar(out, {name: python2_pickle(value) for name, value in files.items()})


def tar(out: Path, files: dict[str, bytes]) -> Path:
    """cifar-100-python.tar.gz of these files."""
    out.mkdir(parents=True, exist_ok=True)
    with tarfile.open(out / "cifar-100-python.tar.gz", "w:gz") as archive:
        folder = tarfile.TarInfo("cifar-100-python")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, data in files.items():
            info = tarfile.TarInfo(f"cifar-100-python/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out


def cifar_parquet(out: Path, per_class: int = 20) -> Path:
    """A Hugging Face copy: cifar100/{train,test}-*.parquet with img, fine_label, coarse_label; its 'crab' is 'cra'."""
    names = ["cra" if name == "crab" else name for name in cifar_names()]
    label = {
        "fine_label": {"_type": "ClassLabel", "names": names},
        "coarse_label": {"_type": "ClassLabel", "names": ["thing"]},
    }
    metadata = {"huggingface": json.dumps({"info": {"features": {"img": {"_type": "Image"}, **label}}})}
    (out / "cifar100").mkdir(parents=True)
    for name, data, fine in cifar_rows(per_class):
        images = []
        for row in data:
            buffer = io.BytesIO()
            Image.fromarray(row.reshape(3, 32, 32).transpose(1, 2, 0)).save(buffer, format="PNG")
            images.append({"bytes": buffer.getvalue(), "path": None})
        columns = {"img": pa.array(images, IMAGE), "fine_label": fine, "coarse_label": [0] * len(fine)}
        table = pa.table(columns).replace_schema_metadata(metadata)
        pq.write_table(table, out / "cifar100" / f"{name}-00000-of-00001.parquet", row_group_size=100)
    return out


def python2_pickle(value: object) -> bytes:
    """Protocol 2 as Python 2 wrote it: texts are SHORT_BINSTRING or BINSTRING, arrays name numpy.core.multiarray."""
    return pickle.PROTO + b"\x02" + _opcodes(value) + pickle.STOP


def _opcodes(value: object) -> bytes:
    if isinstance(value, str | bytes):
        raw = value.encode() if isinstance(value, str) else value
        return b"U" + bytes([len(raw)]) + raw if len(raw) < 256 else b"T" + struct.pack("<i", len(raw)) + raw
    if isinstance(value, bool):
        return pickle.NEWTRUE if value else pickle.NEWFALSE
    if isinstance(value, int):
        return b"K" + bytes([value]) if 0 <= value < 256 else b"J" + struct.pack("<i", value)
    if value is None:
        return pickle.NONE
    if isinstance(value, list):
        return b"](" + b"".join(map(_opcodes, value)) + b"e"
    if isinstance(value, tuple):
        return b"(" + b"".join(map(_opcodes, value)) + b"t"
    if isinstance(value, dict):
        return b"}(" + b"".join(_opcodes(key) + _opcodes(item) for key, item in value.items()) + b"u"
    assert isinstance(value, np.ndarray)
    code = value.dtype.str[1:]
    order = value.dtype.str[0]
    dtype = (
        b"cnumpy\ndtype\n" + _opcodes((code, 0, 1)) + b"R" + _opcodes((3, order, None, None, None, -1, -1, 0)) + b"b"
    )
    opcodes = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n" + _opcodes((0,)) + _opcodes("b") + b"tR"
    state = b"(" + _opcodes(1) + _opcodes(value.shape) + dtype + _opcodes(False) + _opcodes(value.tobytes()) + b"t"
    return opcodes + state + b"b"


MAKERS = {
    "mini": mini_csv,
    "mini-wnid": lambda out, per_class=20: imagenet(out, "mini", per_class),
    "tiered": lambda out, per_class=20: imagenet(out, "tiered", per_class, 32),
    "cifar": cifar,
    "cifar-parquet": cifar_parquet,
    "cub": cub,
}

if __name__ == "__main__":
    name, target, *count = sys.argv[1:]
    print(MAKERS[name](Path(target), *map(int, count)))  # noqa: T201 - a script's output
