"""Pictures travel as references, and are reduced to what a model is meant to see."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from syntrans.errors import InputError
from syntrans.images.image_set import open_images
from syntrans_mining.engines.base import Picture
from syntrans_mining.engines.picture_size import fit
from syntrans_mining.engines.server.openai import _fitting
from syntrans_mining.run.pictures import choose_pictures


def encoded(width: int, height: int, seed: int = 0) -> bytes:
    """Noise, the same whatever ran before: which pictures are chosen hangs on what they show."""
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)).save(buffer, format="PNG")
    return buffer.getvalue()


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 10_000))
def test_a_picture_never_has_more_pixels_than_it_may(width: int, height: int, most: int) -> None:
    image = Image.new("L", (width, height))
    fitted = fit(image, most)
    assert fitted.width * fitted.height <= max(most, fitted.width, fitted.height)
    assert (fitted is image) == (width * height <= most)
    assert fit(image, None) is image


def test_the_shape_of_a_picture_is_kept() -> None:
    assert fit(Image.new("L", (400, 100)), 10_000).size == (200, 50)


def test_chosen_pictures_hold_no_bytes_and_travel_as_references(tmp_path: Path) -> None:
    folder = tmp_path / "heron"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.png").write_bytes(encoded(200, 200, seed=number))
    chosen = choose_pictures(open_images(tmp_path), per_class=2, seed=0)["heron"]
    assert len(chosen) == 2
    for picture in chosen:
        assert not isinstance(picture.source, bytes)
        sent = bytes(ForkingPickler.dumps(picture))  # as the pipes to the workers do
        assert len(sent) < 1000 < len(picture.data)
        assert ForkingPickler.loads(sent).data == picture.data


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    """Six large pictures of each of four birds in one Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = [name for name in ("heron", "ibis", "kestrel", "linnet") for _ in range(6)]
    rows = [{"bytes": encoded(120, 120, seed=number), "path": f"{number}.png"} for number in range(len(names))]
    path = tmp_path / "birds.parquet"
    pq.write_table(pa.table({"image": rows, "class": names}), path, row_group_size=5)
    return path


def test_pictures_of_a_parquet_file_stay_there_until_they_are_looked_at(parquet: Path, tmp_path: Path) -> None:
    import hashlib

    images = open_images(parquet)
    chosen = choose_pictures(images, per_class=2, seed=0, copies=tmp_path / "copies")
    for ref in (ref for refs in images.values() for ref in refs):
        assert len(ForkingPickler.dumps(ref.load)) < 1000 < len(ref.load())
        assert hashlib.sha256(ref.load()).hexdigest() == ref.sha256
    for picture in (picture for pictures in chosen.values() for picture in pictures):
        sent = bytes(ForkingPickler.dumps(picture))
        assert len(sent) < 1000
        assert hashlib.sha256(ForkingPickler.loads(sent).data).hexdigest() == picture.sha256
    assert len(list((tmp_path / "copies").iterdir())) == 8


def test_a_run_leaves_no_copy_of_a_picture(parquet: Path, tmp_path: Path, run: Callable, configure: Callable) -> None:
    result = run(configure(), images=open_images(parquet))
    assert result.run["images_seen"] == 24
    assert not [file for file in (tmp_path / "out").rglob("*") if file.name == ".pictures"]


def test_a_server_gets_a_large_picture_reduced_and_a_small_one_as_it_is() -> None:
    data = encoded(60, 40)
    picture = Picture("ab", partial(bytes, data))
    assert _fitting(picture, None) == _fitting(picture, 2400) == data
    assert Image.open(io.BytesIO(_fitting(picture, 600))).size == (30, 20)


@pytest.mark.parametrize("max_pixels", [None, 5000])
def test_the_pixel_budget_is_part_of_what_decides_an_answer(max_pixels: int | None) -> None:
    from syntrans.config import load_config
    from syntrans_mining.config import MiningConfig
    from syntrans_mining.models import resolve_models

    overrides = [f"ground.max_pixels={max_pixels}"] if max_pixels else []
    vlm = resolve_models(load_config(MiningConfig, "world", kind="mining/configs", overrides=overrides)).vlm
    assert vlm is not None
    assert vlm.spec.args.get("max_pixels") == max_pixels
    assert ("max_pixels" in vlm.identity) == (max_pixels is not None)


@pytest.fixture
def twelve(tmp_path: Path) -> Path:
    """Twelve pictures of herons."""
    (tmp_path / "birds" / "heron").mkdir(parents=True)
    for number in range(12):
        (tmp_path / "birds" / "heron" / f"{number:02d}.png").write_bytes(encoded(20, 20, seed=number + 1))
    return tmp_path / "birds"


def test_one_empty_file_among_twelve_is_skipped_and_another_picture_takes_its_place(twelve: Path) -> None:
    (twelve / "heron" / "07.png").write_bytes(b"")
    images = open_images(twelve)
    skipped = 0
    for seed in range(8):  # an unreadable file is drawn by its path: of twelve it may be the one that is not looked at
        said: list[str] = []
        broken: list[str] = []
        chosen = choose_pictures(images, per_class=11, seed=seed, say=said.append, broken=broken)
        assert len(chosen["heron"]) == 11
        assert len(said) == len(broken)
        for line, file in zip(said, broken, strict=True):
            assert line.startswith("skipped 1 broken pictures: ")
            assert "heron/07.png is not a readable picture" in line
            assert file in line
        skipped += len(said)
    assert skipped > 0


def test_too_many_broken_pictures_are_named_all_at_once(twelve: Path) -> None:
    for number in range(4):
        (twelve / "heron" / f"{number:02d}.png").write_bytes(b"")
    rule = r"4 of 12 images .*images.max_broken_share allows 5.0%"
    with pytest.raises(InputError, match=rule) as refused:
        choose_pictures(open_images(twelve), per_class=12, seed=0)
    assert sum(f"{number:02d}.png" in str(refused.value) for number in range(4)) == 4
    assert len(choose_pictures(open_images(twelve), per_class=12, seed=0, max_broken_share=0.5)["heron"]) == 8


def test_a_class_that_loses_all_its_pictures_is_named(twelve: Path) -> None:
    (twelve / "wren").mkdir()
    (twelve / "wren" / "a.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"no picture of wren can be read: .*wren/a.png is not a readable picture"):
        choose_pictures(open_images(twelve), per_class=4, seed=0)
