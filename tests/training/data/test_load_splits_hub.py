"""Data sets through the `datasets` library: local folders in the Hub's layout, and what is said without a network."""

from pathlib import Path

import archives
import pytest

from syntrans.errors import InputError
from syntrans_training.data import load_splits
from syntrans_training.data.load_splits import class_names


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "hub"))
    datasets.disable_progress_bars()


def test_a_local_folder_in_the_hubs_layout_is_read(tmp_path: Path) -> None:
    archives.cifar_parquet(tmp_path / "copy", 2)
    reference = f"hf://{tmp_path / 'copy'}"
    hub = load_splits(reference, size=32, dataset="cifar-fs", names=("val",))["val"]
    direct = load_splits(str(tmp_path / "copy"), size=32, dataset="cifar-fs", names=("val",))["val"]
    assert hub.dataset == "cifar-fs"
    assert sorted(hub.sha256) == sorted(direct.sha256)
    assert hub.classes == direct.classes


def test_its_own_splits_are_parts(toy_data: Path, tmp_path: Path) -> None:
    for name, part in (("base", "train"), ("val", "validation"), ("novel", "test")):
        (tmp_path / f"{part}.parquet").write_bytes((toy_data / f"{name}.parquet").read_bytes())
    assert len(class_names(f"hf://{tmp_path}", columns=class_columns())) == 18


def class_columns():
    from syntrans.images.columns import Columns

    return Columns(image="image", label="class")


def test_pictures_in_folders_are_read_too(tmp_path: Path) -> None:
    archives.class_folders(tmp_path / "train", ["ant", "bee"], 2, 16)
    archives.class_folders(tmp_path / "test", ["cat"], 2, 16)
    (tmp_path / "split.json").write_text('{"base": ["ant"], "val": ["bee"], "novel": ["cat"]}')
    splits = load_splits(f"hf://{tmp_path}", size=8, split_file=str(tmp_path / "split.json"))
    assert {name: len(split) for name, split in splits.items()} == {"base": 2, "val": 2, "novel": 2}


def test_a_remote_data_set_without_a_network_is_one_clear_line() -> None:
    with pytest.raises(
        InputError, match=r"hf://nobody/nothing cannot be read .*; fetch it where there is a network"
    ) as e:
        load_splits("hf://nobody/nothing", size=8)
    assert "\n" not in str(e.value)


def test_missing_columns_are_named(tmp_path: Path, toy_data: Path) -> None:
    (tmp_path / "train.parquet").write_bytes((toy_data / "val.parquet").read_bytes())
    with pytest.raises(InputError, match="has the columns image, class; it needs an image and a label"):
        class_names(f"hf://{tmp_path}", columns=class_columns()._replace(label="kind"))
