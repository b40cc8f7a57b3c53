"""Pictures that are sorted into folders."""

from pathlib import Path

import pytest

from syntrans.errors import UsageError
from syntrans_training.prediction.answers import NAMED, UNSURE, Answer
from syntrans_training.prediction.write import check_out, check_sort_into, sort_into


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A file that counts as one."""
    path = tmp_path / "new" / "1.png"
    path.parent.mkdir()
    path.write_bytes(b"pixels")
    return path


@pytest.mark.parametrize(("below", "option"), [("known", "--support"), ("known/wren", "--support"), ("new", "--query")])
def test_pictures_are_not_sorted_among_those_that_are_read(below: str, option: str, tmp_path: Path) -> None:
    for folder in ("known/wren", "new"):
        (tmp_path / folder).mkdir(parents=True)
    with pytest.raises(UsageError, match=f"lies in {option}.*name another folder"):
        check_sort_into(tmp_path / below, tmp_path / "known", str(tmp_path / "new"))
    check_sort_into(tmp_path, tmp_path / "known", str(tmp_path / "new"))


def test_a_file_is_no_folder_to_sort_into_and_a_folder_no_file_to_write(tmp_path: Path, picture: Path) -> None:
    with pytest.raises(UsageError, match="is a file; name a folder"):
        check_sort_into(picture, None, str(tmp_path))
    with pytest.raises(UsageError, match="is a folder; name a file"):
        check_out((tmp_path / "names.csv").mkdir() or tmp_path / "names.csv")


def test_what_was_sorted_before_is_counted_in_its_folder_and_in_others(tmp_path: Path, picture: Path) -> None:
    folder = tmp_path / "sorted"
    assert sort_into(folder, [Answer(str(picture), UNSURE, "wren")]) == (1, 0, 0)
    assert sort_into(folder, [Answer(str(picture), UNSURE, "wren")]) == (0, 1, 0)
    assert sort_into(folder, [Answer(str(picture), NAMED, "wren")]) == (1, 0, 1)
