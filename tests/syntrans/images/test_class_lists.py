"""A class list may be a file, a built-in list, or a folder of class folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from syntrans.classes.entries import read_class_file
from syntrans.errors import InputError
from syntrans.images.class_lists import read_classes


def test_a_folder_without_pictures_is_a_class_list_alone(tmp_path: Path) -> None:
    for name in ("house_finch", "house finch", ".hidden", "crane"):
        (tmp_path / name).mkdir(parents=True)
    assert [entry.name for entry in read_classes(tmp_path)] == ["crane", "house finch", "house_finch"]
    (tmp_path / "house finch").rmdir()
    assert [entry.name for entry in read_classes(tmp_path)] == ["crane", "house finch"]


def test_an_empty_folder_is_no_class_list(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no class folders"):
        read_classes(tmp_path)


def test_anything_else_is_read_as_a_file() -> None:
    assert read_classes("mini") == read_class_file("mini")
