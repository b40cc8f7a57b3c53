"""`syntrans data check`: what it finds, what it lists, and how it ends."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import archives
import imagehash
import numpy as np
import pytest
from PIL import Image, ImageEnhance

from syntrans.cli.app import run
from syntrans.images.image_set import open_images
from syntrans_training.config import DataConfig
from syntrans_training.data import load_splits
from syntrans_training.data.check import check
from syntrans_training.data.compare import nearest
from syntrans_training.data.duplicates import close, correlation, find_duplicates, perceptual_hashes
from syntrans_training.data.load_splits import decoding_of, origin_of
from syntrans_training.data.open_splits import open_source


def tree(root, **parts):
    """base/val/novel folders; a picture is bytes, or a number to draw."""
    for part, classes in parts.items():
        for name, pictures in classes.items():
            (root / part / name).mkdir(parents=True)
            for i, picture in enumerate(pictures):
                data = picture if isinstance(picture, bytes) else archives.encoded(picture, 0, 64, "PNG")
                (root / part / name / f"{i}.png").write_bytes(data)
    return root


def findings(report, rule, level=None):
    return [f["message"] for f in report["findings"] if f["rule"] == rule and level in (None, f["level"])]


def checked(path, **more):
    data = DataConfig(path=str(path), **more)
    return check(origin_of(data), decoding_of(data))


def sound(tmp_path: Path):
    return tree(tmp_path, base={"ant": range(20)}, val={"bee": range(20, 40)}, novel={"cat": range(40, 60)})


def test_sound_data_has_neither_errors_nor_warnings(tmp_path: Path) -> None:
    report = checked(sound(tmp_path))
    assert (report["errors"], report["warnings"]) == (0, 0)
    assert report["parts"]["val"]["images"] == 20
    assert report["published_split"] is None


def test_a_missing_part_is_an_error(tmp_path: Path) -> None:
    report = checked(tree(tmp_path, base={"ant": range(20)}, val={"bee": range(20, 40)}))
    assert report["errors"] == 1
    assert "has no novel or test" in findings(report, "classes")[0]


def test_a_class_in_two_parts_is_an_error(tmp_path: Path) -> None:
    report = checked(tree(tmp_path, base={"ant": [1, 2]}, val={"ant": [3]}, novel={"cat": [4]}))
    assert findings(report, "disjoint", "error") == [
        "class 'ant' is in base and in val; few-shot splits share no class"
    ]


def test_broken_pictures_are_a_warning_up_to_the_share_and_then_an_error(tmp_path: Path) -> None:
    root = sound(tmp_path)
    break_three(root)
    report = checked(root, max_broken_share=0.2)
    assert "val: 3 broken pictures (15.00%)" in findings(report, "readable", "warning")[0]
    assert all(f"{number}.png" in findings(report, "readable")[0] for number in range(3))
    assert len(report["parts"]["val"]["broken_pictures"]) == 3
    assert findings(checked(root, max_broken_share=0.01), "readable", "error")
    (root / "val" / "bee" / "0.png").write_bytes(archives.encoded(20, 0, 64, "PNG"))
    assert findings(checked(root, max_broken_share=0.01), "readable", "warning")  # two are never too many


def break_three(root) -> None:
    for number in range(3):
        (root / "val" / "bee" / f"{number}.png").write_bytes(b"no picture")


def test_a_class_without_any_readable_picture_is_an_error(tmp_path: Path) -> None:
    report = checked(tree(tmp_path, base={"ant": [b"x"]}, val={"bee": [1]}, novel={"cat": [2]}))
    assert "classes of base without a readable image: ant" in findings(report, "readable", "error")[0]


def test_classes_too_small_for_five_shots_are_named(tmp_path: Path) -> None:
    report = checked(tree(tmp_path, base={"ant": range(5)}, val={"bee": range(20, 40)}, novel={"cat": range(40, 60)}))
    assert findings(report, "counts") == ["base: 1 classes with fewer than 20 pictures (5 shots and 15 queries): ant"]


def test_a_picture_in_two_classes_is_a_warning_and_twice_in_one_a_note(tmp_path: Path) -> None:
    report = checked(tree(tmp_path, base={"ant": [1, 1], "asp": [2]}, val={"bee": [3], "bug": [3]}, novel={"cat": [4]}))
    assert findings(report, "repeats", "note") == ["base: 1 pictures are there more than once, within their class"]
    assert findings(report, "repeats", "warning") == ["val: 1 pictures are in two classes: bee"]


def photograph(number):
    return Image.open(io.BytesIO(archives.encoded(number, 0, 96, "PNG")))


def saved(picture, kind="PNG", **more):
    buffer = io.BytesIO()
    picture.save(buffer, kind, **more)
    return buffer.getvalue()


COPIES: dict[str, Callable[[Image.Image], bytes]] = {
    "exact": saved,
    "recompressed": lambda p: saved(p, "JPEG", quality=30),
    "resized": lambda p: saved(p.resize((p.width // 2, p.height // 2))),
    "brightened": lambda p: saved(ImageEnhance.Brightness(p).enhance(1.2)),
}


@pytest.mark.parametrize("change", COPIES)
def test_the_same_photograph_in_two_parts_is_found(change, tmp_path: Path) -> None:
    photo = photograph(7)
    root = tree(
        tmp_path, base={"ant": [saved(photo), 1, 2]}, val={"bee": [3, 4]}, novel={"cat": [5, COPIES[change](photo)]}
    )
    pairs = checked(root)["duplicates"]
    assert [(pair["parts"], pair["classes"], pair["exact"]) for pair in pairs] == [
        (["base", "novel"], ["ant", "cat"], change == "exact")
    ]
    assert [name.split("/")[-3:] for name in pairs[0]["pictures"]] == [
        ["base", "ant", "0.png"],
        ["novel", "cat", "1.png"],
    ]


def test_different_photographs_of_a_class_are_no_copies(tmp_path: Path) -> None:
    same_class = [archives.encoded(3, i, 64) for i in range(30)]
    root = tree(tmp_path, base={"ant": same_class[:15]}, val={"bee": [9]}, novel={"cat": [11]})
    assert checked(root)["duplicates"] == []


def test_real_photographs_share_nothing_across_parts(shared_data: Path) -> None:
    splits = load_splits(str(shared_data / "caltech101"), size=64, limit_per_class=6)
    assert find_duplicates(splits) == []


@pytest.mark.parametrize("change", ["recompressed", "resized", "brightened"])
def test_nine_in_ten_copies_of_real_photographs_are_found(change: str, shared_data: Path, tmp_path: Path) -> None:
    photos = [
        ref.image()
        for refs in open_images(shared_data / "caltech101" / "val.parquet", limit_per_class=5).values()
        for ref in refs
    ]
    root = tree(tmp_path, base={"ant": map(saved, photos)}, val={"bee": map(COPIES[change], photos)})
    pairs = find_duplicates(load_splits(str(root), size=64, names=("base", "val")))
    assert len({pair.first for pair in pairs if pair.first == pair.second}) >= 0.9 * len(photos)


def test_the_hash_is_that_of_imagehash(tmp_path: Path) -> None:
    split = load_splits(str(sound(tmp_path)), size=64, names=("val",))["val"]
    expected = [int(str(imagehash.phash(Image.fromarray(p))), 16) for p in split.pixels]
    assert perceptual_hashes(split).tolist() == expected


def test_blocked_search_finds_what_comparing_all_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syntrans_training.data.duplicates.ROWS", 7)
    monkeypatch.setattr("syntrans_training.data.duplicates.COLUMNS", 5)
    rng = np.random.default_rng(0)
    a = rng.integers(0, 2**63, 40, dtype=np.uint64)
    b = np.concatenate([rng.integers(0, 2**63, 30, dtype=np.uint64), a[:10] ^ np.uint64(0b10110)])
    slow = [(i, j, (int(x) ^ int(y)).bit_count()) for i, x in enumerate(a) for j, y in enumerate(b)]
    assert list(close(a, b)) == [pair for pair in slow if pair[2] <= 6]


def test_pictures_of_one_grey_are_alike_and_unlike_any_other() -> None:
    grey, white = np.full((8, 8, 3), 90, np.uint8), np.full((8, 8, 3), 255, np.uint8)
    other = np.random.default_rng(0).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    assert correlation(grey, white) == 1
    assert correlation(grey, other) == 0


def test_a_published_split_is_recognised_whatever_the_spelling(tmp_path: Path) -> None:
    for part, keys in archives.classes("cifar-fs").items():
        archives.class_folders(tmp_path / part, [key.replace("_", " ").title() for key in keys], 1, 8)
    report = checked(tmp_path)
    assert report["published_split"]["name"] == "cifar-fs"
    assert report["published_split"]["equal"]


def test_differences_from_the_nearest_published_split_are_listed(tmp_path: Path) -> None:
    keys = archives.classes("mini")
    keys["val"], keys["test"] = [*keys["val"][1:], "n99999999"], [*keys["test"], keys["val"][0]]
    archives.mini_csv(tmp_path / "d", 1, keys)
    report = checked(tmp_path / "d")
    split = report["published_split"]
    assert (split["name"], split["equal"]) == ("mini", False)
    assert split["missing"]["val"] == ["n01855672"]
    assert split["extra"] == {"base": [], "val": ["n99999999"], "novel": ["n01855672"]}
    assert any("val lacks 1 classes against mini" in message for message in findings(report, "split", "warning"))


def test_classes_of_ones_own_are_near_no_published_split(tmp_path: Path) -> None:
    assert nearest(open_source(str(sound(tmp_path))).parts) is None


def test_too_few_pictures_of_a_published_data_set_are_said(tmp_path: Path) -> None:
    report = checked(archives.cub(tmp_path / "d", 1), dataset="cub")
    assert "200 pictures; the published cub has 11,788" in findings(report, "counts", "warning")
    assert findings(report, "split")[0].startswith("equals the published split cub (CUB-200-2011, split of CloserLook")


def test_checking_fills_the_cache_that_training_uses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = sound(tmp_path / "d")
    checked(root, size=16)
    monkeypatch.setattr("syntrans_training.data.store.squeezed", lambda *_: pytest.fail("decoded again"))
    assert len(load_splits(str(root), size=16)) == 3


def test_the_command_prints_a_table_and_ends_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data", "check", str(sound(tmp_path))]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["part", "classes", "images", "broken", "per", "class"]
    assert lines[3].split() == ["base", "1", "20", "0", "20"]
    assert lines[-1] == "0 errors, 0 warnings"
    assert len({len(line) for line in lines[1:6]}) == 1  # aligned


def test_the_command_says_where_to_get_what_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data", "check", str(tmp_path / "none"), "--dataset", "mini"]) == 3
    out = capsys.readouterr().out
    assert "is not there" in out
    assert "register at image-net.org" in out


def test_the_command_counts_the_classes_that_are_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys = [key for part in archives.classes("tiered").values() for key in part]
    archives.class_folders(tmp_path, keys[:351], 1, 8)
    assert run(["data", "check", str(tmp_path), "--dataset", "tiered", "--json"]) == 3
    report = json.loads(capsys.readouterr().out)
    assert findings(report, "classes", "error")[0].endswith(
        "lacks 97 of the 97 val classes: n02099267, n02099429, n02099601, ..."
    )
    assert report["where"][0]["name"] == "tiered"


@pytest.mark.parametrize("name", [None, "fc100"])
def test_without_a_path_it_says_where_to_get_the_data(name, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data", "check", *(["--dataset", name] if name else [])]) == 0
    out = capsys.readouterr().out
    assert "cifar-100-python.tar.gz" in out
    assert ("tieredImageNet" in out) == (name is None)


def test_settings_are_those_of_a_training_config(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = sound(tmp_path)
    break_three(root)
    assert run(["data", "check", str(root)]) == 3
    assert run(["data", "check", str(root), "--set", "max_broken_share=0.2"]) == 0
    assert run(["data", "check", str(root), "--set", "max_broken_shares=0.2"]) == 2
    assert "did you mean max_broken_share" in capsys.readouterr().err


def test_an_unknown_name_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data", "check", str(tmp_path), "--dataset", "minni"]) == 2
    assert "known are mini, tiered" in capsys.readouterr().err
