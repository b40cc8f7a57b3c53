"""Every layout means the same in every command: the same classes, and of each the same pictures."""

from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from unittest import mock

import pytest
from doors import DOORS
from layout_tables import DOCS, ODD, layout_row, odd_row
from layouts import CLASSES, LAYOUTS

from syntrans.classes.entries import ClassEntry
from syntrans.images.image_set import decode, match_classes, open_images
from syntrans_mining.run.pictures import choose_pictures


def rows(kind):
    """Title -> cells of a table of docs/data.md."""
    _, _, rest = DOCS.read_text().partition(f"<!-- {kind}: ")
    lines = rest.partition(f"<!-- end of {kind} -->")[0].splitlines()[1:]
    head, _, *body = ([cell.strip() for cell in line.strip("|").split(" | ")] for line in lines)
    assert head[1:] == [f"`{door}`" for door in DOORS]
    return {cells[0]: cells[1:] for cells in body}


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.title)
def test_each_command_finds_the_same_pictures_of_the_same_classes_told_what_the_page_says(
    layout, tmp_path: Path
) -> None:
    if "hf://" in layout.title:
        config = pytest.importorskip("datasets").config
        with mock.patch.object(config, "HF_DATASETS_CACHE", tmp_path / "hub"):
            row = layout_row(layout, tmp_path)
    else:
        row = layout_row(layout, tmp_path)
    assert rows("layouts")[layout.title] == row, "run tests/training/layout_tables.py"


@pytest.mark.slow
@pytest.mark.parametrize("title", ODD)
def test_each_command_makes_the_same_of_an_odd_file(title, tmp_path: Path) -> None:
    row = odd_row(title, tmp_path)
    assert len(set(row)) == 1
    assert rows("odd files")[title] == row, "run tests/training/layout_tables.py"


def test_the_page_has_no_rows_that_are_not_tried() -> None:
    assert list(rows("layouts")) == [layout.title for layout in LAYOUTS]
    assert list(rows("odd files")) == list(ODD)


def test_only_these_cells_are_no() -> None:
    table = rows("layouts").items()
    cells = {(title, door): cell for title, row in table for door, cell in zip(DOORS, row, strict=True)}
    assert {place for place, cell in cells.items() if cell == "no"} == {
        # predict has no keys of columns, and --support is a path.
        ("Parquet with columns of other names", "predict --support"),
        ("`hf://` and a folder, or the id of a data set", "predict --support"),
        # Two published data sets divide it, and only data.dataset says which.
        ("the archive of CIFAR-100", "train --split auto"),
        ("the archive of CIFAR-100", "evaluate --images"),
    }


@pytest.mark.parametrize("layout", LAYOUTS[2:12:6], ids=lambda layout: layout.title)
def test_pictures_travel_to_minings_workers_as_references(layout, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    entries = [ClassEntry(name, name) for name in CLASSES]
    matched = match_classes(open_images(layout.make(tmp_path / "data"), named=CLASSES), entries)
    chosen = choose_pictures(matched, per_class=3, seed=0, copies=tmp_path / "copies")
    for picture in (picture for pictures in chosen.values() for picture in pictures):
        assert len(ForkingPickler.dumps(picture)) < 1000
        assert decode(picture.data).size == (32, 32)
