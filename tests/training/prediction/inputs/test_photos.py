"""Supports by class: every class its own name and its own pictures."""

import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from prediction_world import photo

from syntrans.classes.entries import ClassEntry
from syntrans.errors import InputError
from syntrans_training.prediction.inputs.photos import open_queries, open_supports

BIRD, MACHINE = ClassEntry("n02012849", "crane", "a bird"), ClassEntry("n03126707", "crane", "a machine")


@pytest.fixture
def folders(tmp_path: Path) -> Callable[..., Path]:
    """Makes a folder with one picture for each name."""

    def drawn(*names):
        for number, name in enumerate(names):
            (tmp_path / name).mkdir()
            (tmp_path / name / "a.png").write_bytes(photo("red", number))
        return tmp_path

    return drawn


@pytest.mark.parametrize(
    ("names", "listed", "told"),
    [
        (["n02012849", "crane"], [BIRD], "'n02012849' and 'crane' would both be the class 'crane'"),
        (["n02012849", "n03126707"], [BIRD, MACHINE], "'n02012849' and 'n03126707' would both be the class 'crane'"),
        (["n02012849"], [BIRD, MACHINE], "'n02012849' and 'n03126707' would both be the class 'crane'"),
        (["finch"], [BIRD, MACHINE], "'n02012849' and 'n03126707' would both be the class 'crane'"),
        (["a"], [ClassEntry("a", "finch"), ClassEntry("a", "wren")], "'a' would be the classes 'finch' and 'wren'"),
        (["Bär", unicodedata.normalize("NFD", "Bär")], [], r"'B\\xe4r' would both be the class"),
    ],
)
def test_two_classes_of_one_name_are_an_error_that_names_both(
    folders: Callable[..., Path], names, listed, told: str
) -> None:
    with pytest.raises(InputError, match=told):
        open_supports(folders(*names), listed)


def test_a_folder_takes_the_name_of_its_class_and_a_class_without_a_folder_is_kept(
    folders: Callable[..., Path],
) -> None:
    supports = open_supports(folders("n02012849", "wren"), [BIRD, ClassEntry("owl", "owl")])
    assert supports.classes == ("crane", "wren", "owl")
    assert supports.labels == (0, 1)


def test_listed_classes_are_kept_where_all_folders_are_empty(tmp_path: Path) -> None:
    (tmp_path / "wren").mkdir()
    assert open_supports(tmp_path, [BIRD, ClassEntry("wren", "wren")]).classes == ("wren", "crane")


def test_the_pictures_of_all_classes_are_looked_up_at_once(
    folders: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up = []
    monkeypatch.setattr(
        "syntrans.images.folders.sha256_of", lambda files: looked_up.append(len(files)) or ["0"] * len(files)
    )
    assert len(open_supports(folders("finch", "owl", "wren")).pictures) == 3
    assert [n for n in looked_up if n] == [3]


def test_a_query_may_be_a_picture_without_an_ending_or_a_pattern_below_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "IMG_0001").write_bytes(photo("red", 1))
    monkeypatch.setenv("HOME", str(tmp_path))
    for query in (str(tmp_path / "IMG_0001"), "~/IMG_0001", "~/IMG*"):
        assert [picture.origin for picture in open_queries(query)[0]] == [str(tmp_path / "IMG_0001")]


@pytest.mark.parametrize(("name", "what"), [("notes.txt", "is no picture"), ("nothing.jpg", "is not there")])
def test_a_query_that_is_no_picture_is_told_what_else_to_give(name: str, what: str, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("wren")
    with pytest.raises(InputError, match=f"{what}; give a picture, a folder, a pattern in quotes, or Parquet"):
        open_queries(str(tmp_path / name))


def test_a_pattern_that_fits_no_picture_says_what_it_fits(tmp_path: Path) -> None:
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic")
    with pytest.raises(InputError, match=r"fits no picture \(a\.heic; HEIC is not read: save it as JPEG\); give a pic"):
        open_queries(str(tmp_path / "*.heic"))
