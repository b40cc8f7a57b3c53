"""miniImageNet's published lists name the pictures of each class, wherever these lie below the folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from syntrans.errors import InputError
from syntrans.images.lists import find_lists, listed_files


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4), "red").save(path)


def write_list(root: Path, text: str, name: str = "train.csv") -> Path:
    (root / name).write_text(text)
    return root / name


def test_the_lists_of_the_parts_are_found_under_either_name(tmp_path: Path) -> None:
    for name in ("train.csv", "validation.csv", "novel.csv", "other.csv"):
        write_list(tmp_path, "filename,label\n", name)
    assert {part: path.name for part, path in find_lists(tmp_path).items()} == {
        "base": "train.csv",
        "val": "validation.csv",
        "novel": "novel.csv",
    }


def test_of_two_names_of_a_part_the_first_one_counts(tmp_path: Path) -> None:
    for name in ("train.csv", "base.csv"):
        write_list(tmp_path, "filename,label\n", name)
    assert find_lists(tmp_path)["base"].name == "base.csv"


@pytest.mark.parametrize("place", ["images/a.png", "images/n1/a.png", "n1/a.png", "train/n1/a.png", "a.png"])
@pytest.mark.parametrize("header", ["filename,label", "image_name,class_name"])
def test_pictures_are_found_wherever_the_usual_copies_have_them(place: str, header: str, tmp_path: Path) -> None:
    picture(tmp_path / place)
    pool = listed_files(tmp_path, write_list(tmp_path, f"{header}\na.png,n1\n"))
    assert [ref.origin for ref in pool.pictures(["n1"], None)["n1"]] == [str(tmp_path / place)]


def test_classes_are_sorted_and_pictures_keep_the_order_of_the_list(tmp_path: Path) -> None:
    for name in ("1.png", "2.png", "3.png"):
        picture(tmp_path / "images" / name)
    pool = listed_files(tmp_path, write_list(tmp_path, "filename,label\n2.png,b\n3.png,a\n1.png,b\n"))
    assert pool.keys == ["a", "b"]
    assert [Path(ref.origin).name for ref in pool.pictures(["b"], None)["b"]] == ["2.png", "1.png"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("filename,label\n../../secret.png,n1\n", "line 2: 'n1', '../../secret.png' is no class and file name"),
        ("filename,label\n/etc/passwd,n1\n", "is no class and file name"),
        ("filename,label\na.png,\n", "line 2: '', 'a.png' is no class"),
        ("file,class\na.png,n1\n", "has the columns file, class"),
        ("filename,label\nmissing.png,n1\n", r"none of the pictures .* is there; put them into .*images"),
        ("filename,label\n", r"\(nothing \.\.\.\)"),
    ],
)
def test_what_is_no_such_list_says_why(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        listed_files(tmp_path, write_list(tmp_path, text))


def test_a_list_in_another_encoding_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_bytes("filename,label\nBrücke.png,n1\n".encode("latin-1"))
    with pytest.raises(InputError, match="not readable as a CSV list in UTF-8"):
        listed_files(tmp_path, tmp_path / "train.csv")
