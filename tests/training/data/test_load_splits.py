from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from syntrans.errors import InputError
from syntrans_training.data import load_splits
from syntrans_training.data.augment import random_views, whole_views


def test_splits_are_decoded_and_numbered_by_class(toy_data: Path) -> None:
    splits = load_splits(str(toy_data), size=16)
    assert {name: len(s) for name, s in splits.items()} == {"base": 112, "val": 70, "novel": 70}
    base = splits["base"]
    assert base.pixels.shape == (112, 16, 16, 3)
    assert list(base.classes) == sorted(base.classes)
    assert np.bincount(base.labels).tolist() == [14] * 8


def test_the_second_load_decodes_nothing(toy_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load_splits(str(toy_data), size=16, names=("val",))["val"]
    monkeypatch.setattr("syntrans_training.data.store.squeezed", lambda *_: pytest.fail("decoded again"))
    again = load_splits(str(toy_data), size=16, names=("val",))["val"]
    assert np.array_equal(first.pixels, again.pixels)
    assert first.key == again.key


def test_hashes_are_those_of_the_encoded_bytes(toy_data: Path) -> None:
    import hashlib

    val = load_splits(str(toy_data), size=16, names=("val",))["val"]
    data = pq.read_table(toy_data / "val.parquet")["image"][0].as_py()["bytes"]
    sha = hashlib.sha256(data).hexdigest()
    assert val.seen([sha]).sum() == 1


def break_some(toy_data: Path, folder, n=1) -> None:
    table = pq.read_table(toy_data / "val.parquet").to_pydict()
    for row in range(n):
        table["image"][row]["bytes"] = b"\x89PNG no picture %d" % row
    pq.write_table(pa.table(table), folder / "val.parquet")


def test_a_broken_image_is_skipped_named_and_counted(
    toy_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    break_some(toy_data, tmp_path)
    val = load_splits(str(tmp_path), size=16, names=("val",), max_broken_share=0.1)["val"]
    assert len(val) == len(val.pixels) == 69
    assert "val.parquet, row 0" in val.broken[0]
    assert "skipped 1 broken" in capsys.readouterr().err
    whole = load_splits(str(toy_data), size=16, names=("val",))["val"]
    kept = [whole.sha256.index(sha) for sha in val.sha256]
    assert np.array_equal(val.pixels, whole.pixels[kept])  # pictures stay with their labels
    assert np.array_equal(val.labels, whole.labels[kept])


def test_too_many_broken_images_stop_the_run(toy_data: Path, tmp_path: Path) -> None:
    break_some(toy_data, tmp_path, 3)
    with pytest.raises(InputError, match="3 of 70 images of val are broken"):
        load_splits(str(tmp_path), size=16, names=("val",), max_broken_share=0.01)


def test_a_class_in_two_splits_is_refused(toy_data: Path, tmp_path: Path) -> None:
    for name in ("val", "novel"):
        (tmp_path / f"{name}.parquet").write_bytes((toy_data / "val.parquet").read_bytes())
    with pytest.raises(InputError, match="few-shot splits share no class"):
        load_splits(str(tmp_path), size=16, names=("val", "novel"))


def test_a_missing_split_says_what_is_there(toy_data: Path, tmp_path: Path) -> None:
    (tmp_path / "base.parquet").write_bytes((toy_data / "base.parquet").read_bytes())
    with pytest.raises(InputError, match=r"it holds .*base\.parquet"):
        load_splits(str(tmp_path), size=16)


def test_a_path_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a folder"):
        load_splits(str(tmp_path / "nothing"), size=16)


def test_class_folders_are_a_split_too(picture_tree: Path, tmp_path: Path) -> None:
    picture_tree.rename(tmp_path / "val")
    val = load_splits(str(tmp_path), size=8, names=("val",))["val"]
    assert val.classes == ("goldfinch", "house_finch")
    assert len(val) == 6


PIXELS = torch.randint(0, 256, (4, 12, 12, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_views_depend_on_the_generator_alone() -> None:
    views = [random_views(PIXELS, torch.Generator().manual_seed(s), size=8) for s in (1, 1, 2)]
    assert views[0].shape == (4, 3, 8, 8)
    assert torch.equal(views[0], views[1])
    assert not torch.equal(views[0], views[2])


@pytest.mark.parametrize("flip", [0.0, 1.0])
def test_a_padded_crop_is_cut_from_the_picture_in_its_black_frame(flip: float) -> None:
    view: dict[str, Any] = {"size": 12, "crop_pad": 3, "flip": flip, "jitter": 0.0}
    views = random_views(PIXELS, torch.Generator().manual_seed(0), **view)
    framed = torch.nn.functional.pad(whole_views(PIXELS, size=12), (3, 3, 3, 3))
    places = set()
    for shown, frame in zip(views.flip(3) if flip else views, framed, strict=True):
        corners = [(y, x) for y in range(7) for x in range(7) if torch.equal(frame[:, y : y + 12, x : x + 12], shown)]
        assert len(corners) == 1
        places |= set(corners)
    assert len(places) > 1


@pytest.mark.parametrize("flip", [0.0, 1.0])
def test_a_whole_crop_without_colour_change_is_the_picture_or_its_mirror(flip: float) -> None:
    generator = torch.Generator().manual_seed(0)
    square = random_views(PIXELS, generator, size=12, crop_area=(4.0, 4.0), flip=flip, jitter=0.0)
    whole = whole_views(PIXELS, size=12)
    assert torch.allclose(square, whole.flip(3) if flip else whole, atol=1e-4)
