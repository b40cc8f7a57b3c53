"""Pictures that are sorted into folders."""

import csv
import io
from pathlib import Path

import pytest
from prediction_world import predict

from syntrans.errors import UsageError
from syntrans_training.prediction.answers import NAMED, UNSURE, Answer
from syntrans_training.prediction.write import as_csv, check_out, check_sort_into, sort_into


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
        check_out((tmp_path / "names.csv").mkdir() or tmp_path / "names.csv", None, "new")


def test_what_was_sorted_before_is_counted_in_its_folder_and_in_others(tmp_path: Path, picture: Path) -> None:
    folder = tmp_path / "sorted"
    assert sort_into(folder, [Answer(str(picture), UNSURE, "wren")]) == (1, 0, 0)
    assert sort_into(folder, [Answer(str(picture), UNSURE, "wren")]) == (0, 1, 0)
    assert sort_into(folder, [Answer(str(picture), NAMED, "wren")]) == (1, 0, 1)


@pytest.mark.parametrize(
    "name",
    [
        "two  blanks.jpg",
        "Shot at 3.00\u202fPM.png",
        "\u0645\u06cc\u200c\u062e\u0648.jpg",
        "\U0001f469\u200d\U0001f52c.jpg",
    ],
)
def test_a_table_names_files_as_they_are_called(name: str) -> None:
    (row,) = csv.DictReader(io.StringIO(as_csv([Answer(name, NAMED, name)])))
    assert (row["path"], row["class"]) == (name, name)


@pytest.mark.parametrize("name", ["a\nb.jpg", "a\x1b[2Jb.jpg", "gpj.\u202ea.jpg"])
def test_a_table_gives_a_terminal_no_commands(name: str) -> None:
    (row,) = csv.DictReader(io.StringIO(as_csv([Answer(name, NAMED)])))
    assert row["path"].isprintable()


@pytest.mark.parametrize(("folder", "option"), [("known", "--support"), ("new/deep", "--query")])
def test_answers_in_parquet_are_not_written_where_they_would_be_read_as_pictures(folder, option, tmp_path) -> None:
    for name in ("known", "new"):
        (tmp_path / name).mkdir()
    with pytest.raises(UsageError, match=rf"lies in {option} .*, where it would be read as pictures"):
        check_out(tmp_path / folder / "names.parquet", tmp_path / "known", str(tmp_path / "new"))
    check_out(tmp_path / folder / "names.csv", tmp_path / "known", str(tmp_path / "new"))
    check_out(tmp_path / "names.parquet", tmp_path / "known", str(tmp_path / "new" / "*.jpg"))


@pytest.mark.parametrize("option", ["--out", "--sort-into"])
def test_what_cannot_be_written_is_said_before_anything_is_read(option, tmp_path, capsys) -> None:
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "out.csv"
    arguments = ("--support", tmp_path / "nowhere", "--query", tmp_path / "nowhere", option, out)
    code, rows, err = predict(capsys, *arguments)
    assert (code, rows) == (4, [])
    assert "part of that path is a file" in err
    assert "nowhere" not in err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
