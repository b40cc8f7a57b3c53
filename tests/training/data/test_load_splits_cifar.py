"""CIFAR-100 as its archive, unpacked and as Parquet: the two published splits, the same pictures, hashes and names."""

import hashlib
import tarfile
from collections.abc import Callable
from pathlib import Path

import archives
import numpy as np
import pytest

from syntrans.errors import InputError
from syntrans_training.data import load_splits


@pytest.mark.parametrize(
    ("name", "expected"), [("cifar-fs", (64, 16, 20)), ("fc100", (60, 20, 20))], ids=["cifar-fs", "fc100"]
)
def test_the_cifar_archive_gives_both_data_sets(name: str, expected, toy: Callable[..., Path]) -> None:
    splits = load_splits(str(toy("cifar", 6)), size=32, dataset=name)
    assert tuple(len(split.classes) for split in splits.values()) == expected
    assert all(len(split) == 6 * len(split.classes) for split in splits.values())
    whale = splits["novel"].classes.index("whale")
    shown = splits["novel"].pixels[splits["novel"].labels == whale]
    number = archives.cifar_names().index("whale")
    assert {p.tobytes() for p in shown} == {archives.pixels(number, i, 32).tobytes() for i in range(6)}


def test_the_hash_of_a_cifar_picture_is_that_of_its_raw_pixels(toy: Callable[..., Path]) -> None:
    val = load_splits(str(toy("cifar", 6)), size=32, dataset="cifar-fs", names=("val",))["val"]
    number = archives.cifar_names().index("otter")
    raw = archives.pixels(number, 0, 32).transpose(2, 0, 1).tobytes()
    assert val.seen([hashlib.sha256(raw).hexdigest()]).sum() == 1


def test_the_unpacked_cifar_archive_is_the_same(toy: Callable[..., Path], tmp_path: Path) -> None:
    with tarfile.open(toy("cifar", 6) / "cifar-100-python.tar.gz") as tar:
        tar.extraction_filter = getattr(tarfile, "data_filter", None)  # 3.11.0 to 3.11.3 have none
        tar.extractall(tmp_path)
    packed = toy("cifar", 6) / "cifar-100-python.tar.gz"
    keys = {
        load_splits(str(path), size=32, dataset="fc100", names=("val",))["val"].key
        for path in (packed, tmp_path, tmp_path / "cifar-100-python")
    }
    assert len(keys) == 1


def test_a_parquet_copy_of_cifar_has_the_same_pictures_and_names(toy: Callable[..., Path]) -> None:
    archive, copy = (
        load_splits(str(toy(name, 6)), size=32, dataset="cifar-fs", names=("val",))["val"]
        for name in ("cifar", "cifar-parquet")
    )
    assert archive.classes == copy.classes  # the copy writes 'cra' for 'crab'
    pictures = [sorted(p.tobytes() for p in split.pixels[split.labels == 3]) for split in (archive, copy)]
    assert pictures[0] == pictures[1]


def test_cifar_without_a_name_is_ambiguous(toy: Callable[..., Path]) -> None:
    with pytest.raises(InputError, match="data.dataset=cifar-fs or fc100"):
        load_splits(str(toy("cifar", 6)), size=32)


def test_cifar_pictures_are_stored_without_any_loss(toy: Callable[..., Path]) -> None:
    val = load_splits(str(toy("cifar", 6)), size=32, dataset="cifar-fs", names=("val",))["val"]
    number = archives.cifar_names().index("otter")
    otter = val.pixels[val.labels == val.classes.index("otter")]
    assert any(np.array_equal(p, archives.pixels(number, 0, 32)) for p in otter)
