"""Decode every picture of a split once, in parallel, into a memory-mapped uint8 array.

The array lives under `artifacts/cache/images/<key>/` where the key hashes every picture's content (its encoded bytes,
or its raw pixels where the data set stores those), the class names and the size: the same pictures are never decoded
twice, and no changed picture is ever served stale.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from syntrans.errors import InputError
from syntrans.files.input_files import parse_json
from syntrans.images.reference import check_broken, first_few, named_broken
from syntrans.paths import artifacts_root, disk_problem, make_dir
from syntrans.progress import say, track
from syntrans_training.data.pool import Picture

GAP = 3  # pixels a side of what `reducing_gap` leaves for the resampling, for each of the result
STORE_VERSION = 3  # raise it when the same bytes would decode to other pixels


@dataclass(frozen=True)
class Split:
    """Pictures of a split: `pixels` [n, S, S, 3] uint8, `labels` [n] into `classes`, `sha256` as in `pool.Picture`.

    `dataset` is the name of the published data set, "" for any other. `given` [n, d]: features in place of pictures,
    and `encoder` what made them, where their file says so.
    """

    name: str
    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    sha256: tuple[str, ...]
    broken: tuple[str, ...]
    key: str
    dataset: str = ""
    given: NDArray[np.float32] | None = None
    encoder: str = ""

    def __len__(self) -> int:
        return len(self.labels)

    def seen(self, hashes: Sequence[str]) -> NDArray[np.bool_]:
        """[n], true where the picture is one of `hashes`."""
        shown = frozenset(hashes)
        return np.array([sha in shown for sha in self.sha256], dtype=bool)


def load_split(
    name: str,
    images: Mapping[str, Sequence[Picture]],
    *,
    size: int,
    max_broken_share: float,
    dataset: str = "",
    cache: Path | None = None,
) -> Split:
    """The pictures of one split at `size` x `size`; decoded now or taken from the cache.

    Raises `InputError` when there are none, a class has lost all of its, or too many are broken.
    """
    classes = tuple(sorted(images))
    refs = [(label, ref) for label, c in enumerate(classes) for ref in images[c]]
    if not refs:
        raise InputError(f"split {name} holds no images")
    text = json.dumps([STORE_VERSION, size, classes, [(label, ref.sha256) for label, ref in refs]])
    key = hashlib.sha256(text.encode()).hexdigest()[:16]
    folder = (cache or artifacts_root() / "cache" / "images") / key
    if not os.path.lexists(folder / "index.json"):  # False also where one may not look
        _decode_all(name, refs, folder, size)
    elif problem := _damage(folder, len(refs), size):
        say(f"decoded again: {folder} is damaged ({problem})")
        shutil.rmtree(folder, ignore_errors=True)
        _decode_all(name, refs, folder, size)
    split = _open(name, folder, classes, refs, key, max_broken_share)
    return replace(split, dataset=dataset)


def _damage(folder: Path, n_pictures: int, size: int) -> str | None:
    """What is wrong with a folder of decoded pictures; None if it is whole."""
    try:
        index = parse_json((folder / "index.json").read_bytes())
        pixels = np.load(folder / "pixels.npy", mmap_mode="r")
        n_broken = len({int(i) for i in index["broken"]})
        whole = pixels.shape == (n_pictures - n_broken, size, size, 3) and pixels.dtype == np.uint8
    except (OSError, ValueError, LookupError, TypeError, AttributeError, EOFError) as error:
        return str(error)[:80]
    return None if whole else f"its pixels are {pixels.dtype} {pixels.shape}"


def _open(
    name: str,
    folder: Path,
    classes: tuple[str, ...],
    refs: list[tuple[int, Picture]],
    key: str,
    max_broken_share: float,
) -> Split:
    broken = json.loads((folder / "index.json").read_text())["broken"]
    positions = {int(i) for i in broken}
    good = [pair for i, pair in enumerate(refs) if i not in positions]
    named = tuple(broken.values())
    check_broken(named, len(refs), share=max_broken_share, what=name, key="data.max_broken_share")
    labels = np.array([label for label, _ in good], dtype=np.int64)
    empty = [c for i, c in enumerate(classes) if i not in set(labels.tolist())]
    if empty:
        why = f" ({named_broken(named)})" if named else ""
        raise InputError(f"classes of {name} without a readable image: {first_few(empty)}{why}")
    pixels = np.load(folder / "pixels.npy", mmap_mode="r")
    return Split(name, pixels, labels, classes, tuple(ref.sha256 for _, ref in good), named, key)


def _decode_all(name: str, refs: list[tuple[int, Picture]], folder: Path, size: int) -> None:
    """Fill a private folder, then rename it: a reader sees all of it or nothing."""
    private = folder.with_name(f".{folder.name}.{os.getpid()}")
    make_dir(private)
    try:
        open_memmap: Any = np.lib.format.open_memmap  # typed from NumPy 2.4 on
        table = open_memmap(private / "pixels.npy", mode="w+", dtype=np.uint8, shape=(len(refs), size, size, 3))
        good, broken = 0, {}
        # Pillow releases the interpreter lock while it decodes and resizes, so threads are enough.
        with ThreadPoolExecutor(os.cpu_count()) as pool, track(f"decode {name}", len(refs), "images") as progress:
            for i, result in enumerate(pool.map(lambda pair: _decode_one(pair[1], size), refs)):
                if isinstance(result, str):
                    broken[str(i)] = result
                else:
                    table[good] = result
                    good += 1
                progress.advance(1)
        table.flush()
        _shrink(private / "pixels.npy", table, good)
        (private / "index.json").write_text(json.dumps({"images": good, "broken": broken}))
        if not (folder / "index.json").exists():
            private.replace(folder)
    except OSError as error:
        raise disk_problem(folder, error) from error
    finally:
        shutil.rmtree(private, ignore_errors=True)


def _shrink(path: Path, table: NDArray[np.uint8], good: int) -> None:
    if good < len(table):
        np.save(path.with_name("good.npy"), table[:good])
        path.with_name("good.npy").replace(path)


def _decode_one(ref: Picture, size: int) -> NDArray[np.uint8] | str:
    """`squeezed`, or one line saying what is wrong with the picture."""
    try:
        return squeezed(ref.image(at_least=GAP * size), size)
    except InputError as error:
        return str(error)


def squeezed(picture: Image.Image, size: int) -> NDArray[np.uint8]:
    """[size, size, 3], the whole picture squeezed into a square; it needs no more than `GAP` times that side."""
    square = picture.resize((size, size), Image.Resampling.BICUBIC, reducing_gap=float(GAP))
    return np.asarray(square, dtype=np.uint8)
