"""Every data set in its true format, at toy size: what is read, under which names, and what is refused."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import archives
import pytest

from syntrans.errors import InputError, UsageError
from syntrans_training.data import load_splits
from syntrans_training.data.class_split import published
from syntrans_training.data.load_splits import class_names
from syntrans_training.data.open_splits import open_source


def sizes(splits):
    return {name: (len(split.classes), len(split)) for name, split in splits.items()}


def test_mini_imagenet_is_known_by_its_lists(toy: Callable[..., Path]) -> None:
    splits = load_splits(str(toy("mini")), size=24)
    assert sizes(splits) == {"base": (64, 128), "val": (16, 32), "novel": (20, 40)}
    assert {split.dataset for split in splits.values()} == {"mini"}
    assert "house finch" in splits["base"].classes
    label = splits["base"].classes.index("house finch")
    first = (toy("mini") / "images" / "n0153282900000001.jpg").read_bytes()
    assert splits["base"].sha256[list(splits["base"].labels).index(label)] == hashlib.sha256(first).hexdigest()


def test_lists_of_other_classes_are_a_data_set_without_a_name(tmp_path: Path) -> None:
    keys = {"train": ["n01532829", "n2"], "val": ["n3"], "test": ["n4"]}
    splits = load_splits(str(archives.mini_csv(tmp_path / "d", 2, keys)), size=8)
    assert splits["base"].classes == ("n01532829", "n2")
    assert splits["base"].dataset == ""


def test_lists_that_name_imagenets_files_find_them_in_class_folders(tmp_path: Path) -> None:
    archives.class_folders(tmp_path / "train", ["n1", "n2", "n3"], 2)
    for part, wnid in (("train", "n1"), ("val", "n2"), ("test", "n3")):
        (tmp_path / f"{part}.csv").write_text(f"class_name,image_name\n{wnid},{wnid}_1.JPEG\n")
    splits = load_splits(str(tmp_path), size=8)
    assert sizes(splits) == {"base": (1, 1), "val": (1, 1), "novel": (1, 1)}


def test_a_listed_picture_that_is_not_there_is_broken_and_named(
    toy: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = archives.mini_csv(tmp_path / "d", 3, {"train": ["n1"], "val": ["n2"], "test": ["n3"]})
    (root / "images" / "n200000002.jpg").unlink()
    val = load_splits(str(root), size=8, names=("val",), max_broken_share=0.5)["val"]
    assert len(val) == 2
    assert "n200000002.jpg" in val.broken[0]


@pytest.mark.parametrize("line", ["../secret.jpg,n1", "/etc/passwd,n1", ",n1", "a.jpg,"])
def test_a_list_that_leads_elsewhere_is_refused(line: str, tmp_path: Path) -> None:
    (tmp_path / "val.csv").write_text(f"filename,label\n{line}\n")
    with pytest.raises(InputError, match="line 2: .* is no class and file name"):
        load_splits(str(tmp_path), size=8, names=("val",))


def test_lists_without_pictures_say_where_they_belong(tmp_path: Path) -> None:
    (tmp_path / "val.csv").write_text("filename,label\na.jpg,n1\n")
    with pytest.raises(InputError, match="put them into .*images"):
        load_splits(str(tmp_path), size=8, names=("val",))


def test_imagenets_folders_give_mini_when_asked(toy: Callable[..., Path]) -> None:
    splits = load_splits(str(toy("mini-wnid")), size=16, dataset="mini", names=("novel",))
    assert sizes(splits) == {"novel": (20, 40)}
    assert "golden retriever" in {name.lower() for name in splits["novel"].classes}


def test_imagenets_folders_give_tiered_when_asked(toy: Callable[..., Path]) -> None:
    assert len(class_names(str(toy("tiered")), "tiered")) == 608
    splits = load_splits(str(toy("tiered")), size=8, dataset="tiered", names=("val",))
    assert sizes(splits) == {"val": (97, 194)}


def test_folders_of_exactly_one_published_data_set_need_no_name(tmp_path: Path) -> None:
    keys = [key for part in archives.classes("mini").values() for key in part]
    archives.class_folders(tmp_path, keys, 1, 8)
    assert open_source(str(tmp_path)).dataset == "mini"


def test_training_pictures_are_meant_where_imagenet_has_both(tmp_path: Path) -> None:
    keys = [key for part in archives.classes("mini").values() for key in part]
    archives.class_folders(tmp_path / "train", keys, 2, 8)
    archives.class_folders(tmp_path / "val", keys, 1, 8)
    assert sizes(load_splits(str(tmp_path), size=8, dataset="mini", names=("val",))) == {"val": (16, 32)}


def test_a_whole_imagenet_asks_which_data_set_is_meant(tmp_path: Path) -> None:
    keys = {key for name in ("mini", "tiered") for part in archives.classes(name).values() for key in part}
    for part in ("train", "val"):
        for key in sorted(keys):
            (tmp_path / part / key).mkdir(parents=True)
            (tmp_path / part / key / "1.JPEG").touch()
    with pytest.raises(InputError, match="could be mini, tiered, by its classes; say data.dataset=NAME"):
        open_source(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "expected"), [("cub", (100, 50, 50)), ("cub-feat", (100, 50, 50)), ("cub-easyfsl", (140, 30, 30))]
)
def test_cub_has_three_published_splits(name: str, expected, toy: Callable[..., Path]) -> None:
    source = open_source(str(toy("cub")), name)
    assert tuple(len(source.part(part).classes) for part in ("base", "val", "novel")) == expected


def test_cub_is_read_from_any_of_its_folders_and_named_by_its_birds(toy: Callable[..., Path]) -> None:
    root = toy("cub") / "CUB_200_2011"
    for path in (root, root / "images"):
        val = load_splits(str(path), size=8, dataset="cub", names=("val",))["val"]
        assert sizes({"val": val}) == {"val": (50, 100)}
        assert "Laysan Albatross" in val.classes


def test_cub_without_a_name_says_which_splits_there_are(toy: Callable[..., Path]) -> None:
    with pytest.raises(InputError, match="could be cub, cub-feat, cub-easyfsl"):
        open_source(str(toy("cub")))


def test_a_copy_that_lacks_classes_says_how_many(toy: Callable[..., Path], tmp_path: Path) -> None:
    keys = [key for part in archives.classes("mini").values() for key in part]
    archives.class_folders(tmp_path, keys[:70], 1, 8)
    with pytest.raises(InputError, match=r"lacks 10 of the 16 val classes: n\d+"):
        load_splits(str(tmp_path), size=8, dataset="mini", names=("val",))


def test_folders_divided_like_a_published_split_carry_its_name(tmp_path: Path) -> None:
    for part, keys in archives.classes("cub-feat").items():
        archives.class_folders(tmp_path / part, keys, 1, 8)
    source = open_source(str(tmp_path))
    assert source.dataset == "cub-feat"
    assert "Sooty Albatross" in source.part("base").classes


def test_a_flat_tree_is_divided_by_a_file_of_ones_own(tmp_path: Path) -> None:
    archives.class_folders(tmp_path / "photos", ["ant", "bee", "cat", "dog"], 2, 8)
    split = tmp_path / "split.json"
    split.write_text(json.dumps({"base": ["ant", "bee"], "val": [{"id": "cat", "name": "a cat"}], "novel": ["dog"]}))
    splits = load_splits(str(tmp_path / "photos"), size=8, split_file=str(split))
    assert {name: split.classes for name, split in splits.items()} == {
        "base": ("ant", "bee"),
        "val": ("a cat",),
        "novel": ("dog",),
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1]", "holds a list"),
        ("{", "is not JSON"),
        ('{"a": []}', "has the keys a"),
        ('{"base": ["x"], "novel": ["x"]}', "'x' is in base and in novel"),
        ('{"base": ["x", "x"]}', "stands there twice"),
        ('{"base": [3]}', "3 is no class"),
        ('{"base": [{"id": "a", "name": 3}]}', "is no class"),
        ('{"base": "ant"}', "lacks 1 of the 1 base"),
    ],
)
def test_a_split_file_that_is_none_is_refused(text: str, message: str, tmp_path: Path) -> None:
    archives.class_folders(tmp_path / "photos", ["bee"], 1, 8)
    (tmp_path / "split.json").write_text(text)
    with pytest.raises(InputError, match=message):
        load_splits(str(tmp_path / "photos"), size=8, split_file=str(tmp_path / "split.json"), names=("base",))


def test_a_published_data_set_takes_no_split_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="leave out split_file"):
        open_source(str(tmp_path), "mini", split_file="x.json")


def test_several_parquet_files_are_one_data_set(toy: Callable[..., Path], tmp_path: Path) -> None:
    split = tmp_path / "split.json"
    split.write_text(json.dumps({"base": ["apple"], "val": ["bear"], "novel": ["wolf"]}))
    pattern = str(toy("cifar-parquet", 6) / "cifar100" / "*.parquet")
    splits = load_splits(pattern, size=32, split_file=str(split))
    assert sizes(splits) == {"base": (1, 6), "val": (1, 6), "novel": (1, 6)}
    limited = load_splits(pattern, size=32, split_file=str(split), limit_per_class=2)
    assert len(limited["base"]) == 2


def test_shards_named_after_parts_are_parts(toy_data: Path, tmp_path: Path) -> None:
    for name, part in (("base", "train"), ("val", "validation"), ("novel", "test")):
        data = (toy_data / f"{name}.parquet").read_bytes()
        (tmp_path / "data").mkdir(exist_ok=True)
        (tmp_path / "data" / f"{part}-00000-of-00001.parquet").write_bytes(data)
    assert sizes(load_splits(str(tmp_path), size=8)) == {"base": (8, 112), "val": (5, 70), "novel": (5, 70)}


def test_a_glob_that_fits_nothing_is_said(tmp_path: Path) -> None:
    (tmp_path / "split.json").write_text('{"base": ["a"]}')
    with pytest.raises(InputError, match="no Parquet file fits"):
        load_splits(str(tmp_path / "*.parquet"), size=8, split_file=str(tmp_path / "split.json"))


def test_a_pickled_cache_is_said_to_be_never_read(tmp_path: Path) -> None:
    (tmp_path / "mini-imagenet-cache-train.pkl").write_bytes(b"x")
    with pytest.raises(InputError, match="is a pickle, which is never read"):
        load_splits(str(tmp_path), size=8)


def test_world_exports_of_different_sizes_do_not_overwrite_each_other(artifacts: Path) -> None:
    small, large = (load_splits("world", size=16, names=("val",), per_class=n)["val"] for n in (1, 2))
    assert (len(small), len(large)) == (16, 32)
    assert {path.name for path in (artifacts / "cache" / "world").iterdir()} == {"1", "2"}


def test_names_within_a_published_split_are_unique() -> None:
    from syntrans.classes.entries import slug

    for name in ("mini", "tiered", "cifar-fs", "fc100", "cub", "cub-feat", "cub-easyfsl"):
        names = [slug(n) for part in published(name).parts.values() for n in part.values()]
        assert len(names) == len(set(names)) > 0


def test_a_folder_that_the_split_file_names_is_a_class_whatever_it_is_called(tmp_path: Path) -> None:
    photos = archives.class_folders(tmp_path / "photos", ["train", "test", "images", "bus"], 2, 8)
    (photos / "train" / "old").mkdir()
    (photos / "train" / "old" / "a.png").write_bytes(archives.encoded(9, 9, 8, "PNG"))
    split = tmp_path / "split.json"
    split.write_text(json.dumps({"base": ["train", "bus"], "val": ["test"], "novel": ["images"]}))
    splits = load_splits(str(photos), size=8, split_file=str(split))
    assert sizes(splits) == {"base": (2, 5), "val": (1, 2), "novel": (1, 2)}


def test_a_class_that_the_split_does_not_name_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photos = archives.class_folders(tmp_path / "photos", ["ant", "bee", "cat", "dog"], 1, 8)
    split = tmp_path / "split.json"
    split.write_text(json.dumps({"base": ["ant"], "val": ["bee"], "novel": ["cat"]}))
    load_splits(str(photos), size=8, split_file=str(split))
    assert "passed over: 1 classes that are in no part of the split (dog)" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["folders", "lists"])
def test_a_second_folder_or_list_of_a_part_is_said(
    form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = {"train": ["ant"], "val": ["bee"], "validation": ["eel"], "test": ["cat"]}
    if form == "lists":
        archives.mini_csv(tmp_path, 1, keys)
    else:
        for part, names in keys.items():
            archives.class_folders(tmp_path / part, names, 1, 8)
    assert load_splits(str(tmp_path), size=8)["val"].classes == ("bee",)
    assert "passed over: 1 further folders or files of a part (validation)" in capsys.readouterr().err


def test_what_a_data_set_has_besides_is_said_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for part, key in (("train", "ant"), ("val", "bee"), ("test", "cat")):
        archives.class_folders(tmp_path / part, [key], 1, 8)
    archives.class_folders(tmp_path, ["dog"], 1, 8)
    (tmp_path / "train" / "ant" / "IMG_1.HEIC").write_bytes(b"x")
    load_splits(str(tmp_path), size=8)
    heic = "1 .heic files (IMG_1.HEIC; save as JPEG to have them read)"
    said = f"passed over: {heic}, 1 class folders beside the parts (dog)"
    assert capsys.readouterr().err.splitlines().count(said) == 1
