"""`syntrans inspect`: what it counts, what it shows, what it keeps from the terminal."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest
from rich.console import Console

from syntrans.cli.app import run
from syntrans.descriptors.summary import short, summarise
from syntrans.errors import InputError
from syntrans.tables import PIPED
from syntrans.text_safety import plain_text
from syntrans.views.summary import render

GOLDEN = Path(__file__).resolve().parents[1] / "contract" / "assets" / "descriptors.parquet"


def shown(class_ref: str | None = None, width: int = 150) -> str:
    sink = io.StringIO()
    render(summarise(GOLDEN, class_ref), Console(file=sink, width=width))
    return sink.getvalue()


def test_counts_are_those_of_the_file() -> None:
    summary = summarise(GOLDEN)
    assert (summary["classes"], summary["rows"], summary["kept"]) == (2, 4, 2)
    assert summary["kept_per_class"] == {"min": 1, "median": 1.0, "max": 1}
    assert summary["dropped"] == [
        {"stage": "merge", "reason": "duplicate_of", "rows": 1},
        {"stage": "crosscheck", "reason": "no_agreement", "rows": 1},
    ]
    assert summary["kept_by_author"] == [
        {"model": "org/llm-a", "rows": 2, "kept": 2},
        {"model": "org/llm-b", "rows": 3, "kept": 1},
    ]


@pytest.mark.parametrize("ref", ["n01531178", "goldfinch", "Goldfinch"])
def test_a_class_is_found_by_id_or_name(ref: str) -> None:
    assert summarise(GOLDEN, ref)["class"]["class_name"] == "goldfinch"


def test_an_unknown_class_names_close_ones() -> None:
    with pytest.raises(InputError, match=r"no class 'gold'.*goldfinch"):
        summarise(GOLDEN, "gold")


def test_a_class_is_shown_in_full_with_who_said_what() -> None:
    page = shown("goldfinch", width=200)
    lines = [line for line in page.splitlines() if "a yellow body" in line and "duplicate_of" not in line]
    assert len(lines) == 1
    for part in ("llm-a, llm-b", "llm-c 0.90", "0.97", "0.80", "0.10", "crane", "0.310", "+0.050"):
        assert part in lines[0]


def test_every_row_of_a_table_is_one_line_of_text() -> None:
    page = shown("crane")
    assert [line.split() for line in page.splitlines() if line.startswith("crosscheck")] == [
        ["crosscheck", "no_agreement", "1", "25.0", "%"],
        ["crosscheck", "no_agreement", "a", "large", "bird", "llm-b", "llm-a", "0.25", "0.62"],
    ]


def test_a_narrow_terminal_gets_fewer_columns_and_whole_words() -> None:
    page = shown("crane", width=80)
    assert "…" not in page
    assert [line.split()[:2] for line in page.splitlines() if "large bird" in line] == [["crosscheck", "no_agreement"]]
    narrow = shown("goldfinch", width=80)
    assert max(map(len, narrow.splitlines()[1:])) <= 80  # the first line is the path of the file
    assert "not shown in 80 columns: elsewhere, CLIP, nearest" in narrow
    assert "a yellow body" in narrow


def test_a_wide_page_has_every_column_and_says_nothing_of_its_width() -> None:
    page = shown("goldfinch", width=PIPED)
    for column in ("elsewhere", "CLIP", "nearest", "margin", "votes", "seen", "agree", "said by"):
        assert column in page
    assert "not shown" not in page


def test_a_duplicate_names_what_it_says_again() -> None:
    (row,) = [line for line in shown("goldfinch", width=PIPED).splitlines() if "duplicate_of" in line][1:]
    assert re.split(r" {2,}", row.strip())[:4] == ["merge", "duplicate_of", "Grüße, 日本, red", "a yellow body"]


def test_a_pipe_gets_no_control_characters_and_no_blanks_at_line_ends() -> None:
    page = shown("goldfinch")
    assert "\x1b" not in page
    assert "\N{ZERO WIDTH SPACE}" not in page
    assert "日本, red" in page
    assert all(line == line.rstrip() for line in page.splitlines())


def test_markup_of_a_model_stays_text() -> None:
    assert plain_text("[bold]x[/bold]\x07\r\n  y") == "[bold]x[/bold] y"


def test_markup_in_the_name_of_a_model_or_run_stays_text() -> None:
    summary = summarise(GOLDEN)
    summary["run_id"] = "x[/red]\x1b[2J"
    summary["kept_by_author"][0]["model"] = "[/bold]"
    sink = io.StringIO()
    render(summary, Console(file=sink, width=150))
    assert "run x[/red], schema" in sink.getvalue()
    assert "bold]" in sink.getvalue()


@pytest.mark.parametrize(
    ("model", "expected"), [("package:a/b/llm-a", "llm-a"), ("org/name", "name"), ("/x/y/", "y"), ("m", "m")]
)
def test_a_model_is_called_by_the_last_part_of_its_name(model: str, expected: str) -> None:
    assert short(model) == expected


def test_json_holds_the_full_rows(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect", str(GOLDEN), "--class", "crane", "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert [row["text"] for row in summary["class"]["rows"]] == ["long legs", "a large bird"]
    assert summary["images_seen"] == 2


def test_the_folder_of_a_run_is_as_good_as_its_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect", str(GOLDEN.parent)]) == 0
    assert "2 classes, 4 rows, 2 kept (50.0 %)" in capsys.readouterr().out


def test_a_file_that_is_no_descriptor_file_ends_with_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.parquet").write_text("x")
    assert run(["inspect", str(tmp_path / "a.parquet")]) == 3
    assert "not a readable Parquet file" in capsys.readouterr().err


def test_a_demo_that_was_not_run_says_how_to_get_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect", str(tmp_path / "demo" / "mine")]) == 3
    assert "run: syntrans demo" in capsys.readouterr().err
