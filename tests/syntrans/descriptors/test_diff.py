"""`syntrans inspect A --diff B`: what two runs have in common and what not."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from syntrans.cli.app import run
from syntrans.contract.rows import Author, Clip, DescriptorRow, FileMetadata, descriptor_id
from syntrans.contract.writing import write_descriptors
from syntrans.descriptors.diff import diff, render

Write = Callable[..., Path]


def row(class_id: str, text: str, reason: str | None = None, margin: float | None = None) -> DescriptorRow:
    return DescriptorRow(
        class_id=class_id,
        class_name=class_id.title(),
        descriptor_id=descriptor_id(class_id, text),
        text=text,
        facet="other",
        authors=[Author(model="m", revision="r", prompt="p", sample=0, seed=0, raw=text)],
        clip=None if margin is None else Clip(model="c", similarity=0.25, margin=margin, tokens=4, truncated=False),
        kept=reason is None,
        stage=reason and "filter",
        reason=reason,
    )


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def make(name: str, rows: list[DescriptorRow], **config: object) -> Path:
        values = {"filter": {"margin": 0.0}, "llms": [{"name": "m", "path": "org/m"}], **config}
        meta = FileMetadata(
            run_id=name, config=values, class_list_sha256="0" * 64, model_revisions={"m": config.get("rev", "r1")}
        )
        return write_descriptors(tmp_path / name / "descriptors.parquet", rows, meta)

    return make


@pytest.fixture
def two(write: Write) -> tuple[Path, Path]:
    a = [row("wren", "a cocked tail", margin=0.1), row("wren", "brown", "not_distinctive"), row("crow", "black")]
    b = [row("wren", "a cocked tail", "not_distinctive", 0.3), row("wren", "brown"), row("wren", "tiny", margin=0.2)]
    return write("a", a), write("b", [*b, row("crow", "black")], filter={"margin": 0.2}, rev="r2")


def test_a_file_does_not_differ_from_itself(two: tuple[Path, Path]) -> None:
    difference = diff(two[0], two[0])
    assert difference["rows"] == {"in_both": 3, "only_a": 0, "only_b": 0}
    assert difference["changes"] == difference["moves"] == difference["settings"] == []
    assert {score["largest"] for score in difference["scores"]} == {0.0}


def test_rows_gained_lost_and_new_are_counted_and_named(two: tuple[Path, Path]) -> None:
    difference = diff(*two)
    assert difference["rows"] == {"in_both": 3, "only_a": 0, "only_b": 1}
    assert {(change["text"], change["a"], change["b"]) for change in difference["changes"]} == {
        ("a cocked tail", "kept", "filter: not_distinctive"),
        ("brown", "filter: not_distinctive", "kept"),
        ("tiny", "absent", "kept"),
    }
    assert {(move["a"], move["b"], move["rows"]) for move in difference["moves"]} == {
        ("kept", "filter: not_distinctive", 1),
        ("filter: not_distinctive", "kept", 1),
        ("absent", "kept", 1),
    }
    wren = next(one for one in difference["classes"] if one["class_id"] == "wren")
    assert (wren["kept_a"], wren["kept_b"], wren["gained"], wren["lost"]) == (1, 2, 2, 1)


def test_the_other_way_round_gains_are_losses(two: tuple[Path, Path]) -> None:
    there, back = diff(*two), diff(two[1], two[0])
    for one, other in zip(there["classes"], back["classes"], strict=True):
        assert (one["gained"], one["lost"]) == (other["lost"], other["gained"])


def test_settings_and_models_that_differ_are_named_by_their_key(two: tuple[Path, Path]) -> None:
    settings = {setting["key"]: (setting["a"], setting["b"]) for setting in diff(*two)["settings"]}
    assert settings == {"filter.margin": (0.0, 0.2), "model_revisions.m": ("r1", "r2"), "rev": (None, "r2")}


def test_scores_of_rows_in_both_are_compared(two: tuple[Path, Path]) -> None:
    margin = next(score for score in diff(*two)["scores"] if score["score"] == "clip.margin")
    assert margin["rows"] == 1
    assert margin["mean"] == pytest.approx(0.2, abs=1e-6)


def test_one_class_alone_can_be_compared(two: tuple[Path, Path]) -> None:
    difference = diff(*two, "Crow")
    assert [one["class_id"] for one in difference["classes"]] == ["crow"]
    assert difference["changes"] == []


def test_a_long_table_says_how_much_is_left_out(write: Write) -> None:
    rows = [row(f"c{number:03}", "plain") for number in range(50)]
    sink = io.StringIO()
    render(diff(write("a", rows[:1]), write("b", rows)), Console(file=sink, width=150))
    assert "... and 29 more (--json has all" in sink.getvalue()


def test_the_page_names_both_runs_and_every_change(two: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect", str(two[0].parent), "--diff", str(two[1].parent)]) == 0
    page = capsys.readouterr().out
    assert "run a: 2 classes, 3 rows, 2 kept" in page
    assert "run b: 2 classes, 4 rows, 3 kept" in page
    assert any(line.split()[:3] == ["Wren", "1", "2"] for line in page.splitlines())
    assert all(line == line.rstrip() for line in page.splitlines())


def test_json_has_everything(two: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect", str(two[0]), "--diff", str(two[1]), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(diff(*two)))
