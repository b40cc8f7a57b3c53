"""Tables: they fit the terminal or say what they left out, and lose nothing in a pipe."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from syntrans.tables import PIPED, add_row, as_text, fitted, table, width_of

FACE = "a red face beside a black and white head, and a yellow bar in each wing"


def page(width: int, *, spare=("note", "place")) -> str:
    listing = table("name", "text", ">rows", "note", "place", whole=("name",))
    add_row(listing, "goldfinch", FACE, 12, "x" * 30, "P")
    add_row(listing, "crane", "long legs", 3456, "two words", "package:syntrans_world/weights/llm-a")
    return as_text(fitted(listing, width, spare), width)


@pytest.mark.parametrize("width", [40, 60, 80, 100, 130])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    assert max(map(len, page(width).splitlines())) <= width


def test_columns_that_had_to_go_are_named_in_the_order_of_going() -> None:
    printed = page(80)
    assert "not shown in 80 columns: note, place (a wider terminal or a pipe shows them)" in printed
    assert "xxx" not in printed
    assert "goldfinch" in printed
    assert "3456" in printed


def test_without_columns_to_spare_words_are_folded_and_nothing_is_lost() -> None:
    printed = page(60, spare=())
    assert "not shown" not in printed
    assert "…" not in printed
    assert printed.count("x") == 31  # of the note, and of the head "text"


def test_a_pipe_gets_every_column_and_each_row_on_one_line() -> None:
    lines = page(PIPED).splitlines()
    assert len(lines) == 4
    assert lines[2].split("   ")[0] == "goldfinch"
    assert FACE in lines[2]
    assert lines[3].endswith("package:syntrans_world/weights/llm-a")


def test_what_is_no_terminal_has_room_for_everything(tmp_path: Path) -> None:
    with (tmp_path / "out.txt").open("w") as file:
        assert width_of(file) == PIPED


def test_a_terminal_has_the_columns_that_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "72")
    leader, follower = os.openpty()
    with os.fdopen(follower, "w") as terminal:
        assert width_of(terminal) == 72
    os.close(leader)
