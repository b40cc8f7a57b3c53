"""A person's corrections of rows: what they change, what is kept of before, and how they are taken back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from syntrans.cli.app import run
from syntrans.contract.reading import read_descriptors
from syntrans.contract.rows import Author, DescriptorRow, FileMetadata, descriptor_id
from syntrans.contract.writing import write_descriptors
from syntrans.descriptors.edits import EDITS, Edit, apply_again, apply_edits, read_edits, undo
from syntrans.errors import InputError

WHERE = Path("descriptors.parquet")


def row(text: str, rank: int | None = None, weight: float | None = None, reason: str | None = None) -> DescriptorRow:
    return DescriptorRow(
        class_id="wren",
        class_name="Wren",
        descriptor_id=descriptor_id("wren", text),
        text=text,
        facet="other",
        authors=[Author(model="m", revision="r", prompt="p", sample=0, seed=0, raw=text)],
        kept=reason is None,
        stage=reason and "filter",
        reason=reason,
        rank=rank,
        weight=weight,
    )


ROWS = [row("a cocked tail", 1, 0.5), row("brown", 2, 0.3), row("tiny", 3, 0.2), row("a bird", None, None, "unlikely")]


def edit(action: str, text: str, **more: str) -> Edit:
    return Edit.model_validate({"action": action, "class": "Wren", "text": text, **more})


def applied(*edits: Edit, rows: Sequence[DescriptorRow] = ROWS, past: Sequence[dict] = ()) -> dict[str, DescriptorRow]:
    return {one.text: one for one in apply_edits(rows, edits, past, at="now", where=WHERE)[0]}


def test_a_vetoed_row_stays_in_the_ledger_and_the_others_share_its_weight() -> None:
    rows, records = apply_edits(ROWS, [edit("veto", "A cocked tail.", why="not so")], at="now", where=WHERE)
    by_text = {one.text: one for one in rows}
    gone = by_text["a cocked tail"]
    assert (gone.kept, gone.stage, gone.reason, gone.rank, gone.weight) == (False, "edit", "vetoed", None, None)
    assert (by_text["brown"].rank, by_text["tiny"].rank) == (1, 2)
    assert (by_text["brown"].weight, by_text["tiny"].weight) == pytest.approx((0.6, 0.4))
    assert records[0]["author"] == "human"
    assert records[0]["why"] == "not so"
    assert records[0]["before"] == {"kept": True, "stage": None, "reason": None, "rank": 1, "weight": 0.5}


def test_a_veto_and_its_restore_leave_ranks_and_weights_as_they_were() -> None:
    rows, records = apply_edits(ROWS, [edit("veto", "brown")], at="now", where=WHERE)
    again = applied(edit("restore", "brown"), rows=rows, past=records)
    for before in ROWS:
        after = again[before.text]
        assert (after.kept, after.rank) == (before.kept, before.rank)
        assert after.weight == (None if before.weight is None else pytest.approx(before.weight))


def test_a_new_descriptor_has_the_author_human_and_weighs_as_the_others_do() -> None:
    new = applied(edit("add", "a loud song", facet="other"))["a loud song"]
    assert [author.model for author in new.authors] == ["human"]
    assert new.kept
    assert new.rank == 4
    assert new.weight == pytest.approx(0.25)


def test_a_new_descriptor_that_was_dropped_is_that_row_with_one_author_more() -> None:
    edited = applied(edit("add", "a bird"))
    assert len(edited) == len(ROWS)
    assert [author.model for author in edited["a bird"].authors] == ["m", "human"]
    assert edited["a bird"].kept


def test_undone_the_rows_are_what_models_made_of_them() -> None:
    edits = [edit("veto", "brown"), edit("add", "a loud song"), edit("add", "a bird"), edit("restore", "brown")]
    rows, records = apply_edits(ROWS, edits, at="now", where=WHERE)
    back = {one.text: one for one in undo(rows, records)}
    assert {text: (one.kept, one.reason, one.authors) for text, one in back.items()} == {
        one.text: (one.kept, one.reason, one.authors) for one in ROWS
    }


def test_made_again_on_other_decisions_they_hold_and_say_what_is_before_now() -> None:
    _, records = apply_edits(ROWS, [edit("veto", "brown"), edit("restore", "a bird")], at="then", where=WHERE)
    anew = [row("a cocked tail", 1, 1.0), row("brown", None, None, "not_seen"), row("a bird", 2, 0.5)]
    rows, outcome = apply_again(anew, records)
    by_text = {one.text: one for one in rows}
    assert by_text["brown"].reason == "vetoed"
    assert by_text["a bird"] == anew[2]
    assert [record["before"]["kept"] for record in outcome] == [False, True]
    assert {record["at"] for record in outcome} == {"then"}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (edit("veto", "green"), "has no row"),
        (edit("veto", "a bird"), "is dropped already"),
        (edit("restore", "brown"), "is kept already"),
        (edit("add", "brown"), "is kept already"),
        (Edit.model_validate({"action": "add", "class": "emu", "text": "tall"}), "has no class 'emu'"),
    ],
)
def test_what_cannot_be_corrected_is_refused(wrong: Edit, said: str) -> None:
    with pytest.raises(InputError, match=said):
        applied(wrong)


@pytest.mark.parametrize(
    "text", ["[]", "{", '{"syntrans_edits": 2, "edits": []}', '{"syntrans_edits": 1, "edits": [{"action": "burn"}]}']
)
def test_a_file_of_no_corrections_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "edits.json").write_text(text)
    with pytest.raises(InputError, match="save it again"):
        read_edits(tmp_path / "edits.json")


@pytest.fixture
def imported(tmp_path: Path) -> Path:
    meta = FileMetadata(run_id="old", class_list_sha256="0" * 64)
    return write_descriptors(tmp_path / "old" / "descriptors.parquet", ROWS, meta)


def test_an_import_is_corrected_with_a_file_of_the_page(
    imported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edits = {"syntrans_edits": 1, "run_id": "old", "edits": [{"action": "veto", "class": "wren", "text": "brown"}]}
    (tmp_path / "edits.json").write_text(json.dumps(edits))
    new = tmp_path / "new"
    command = ["edit", str(imported.parent), "--edits", str(tmp_path / "edits.json"), "--out", str(new)]
    assert run(command) == 0
    assert capsys.readouterr().out.strip() == str(new / "descriptors.parquet")
    rows, meta = read_descriptors(new / "descriptors.parquet")
    assert {one.text for one in rows if one.kept} == {"a cocked tail", "tiny"}
    assert [record["action"] for record in meta.notes[EDITS]] == ["veto"]
    assert run(["inspect", str(imported), "--diff", str(new), "--json"]) == 0
    changes = json.loads(capsys.readouterr().out)["changes"]
    assert [(change["text"], change["a"], change["b"]) for change in changes] == [("brown", "kept", "edit: vetoed")]


@pytest.mark.parametrize(("options", "said"), [([], "nothing to correct"), (["--veto", "brown"], "--class NAME")])
def test_a_correction_must_be_said_whole(
    imported: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    assert run(["edit", str(imported.parent), *options]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("notes", ["x", [1], [{}], [{"action": "eat"}]])
def test_corrections_that_others_wrote_into_the_notes_are_one_line_and_no_edit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], notes: object
) -> None:
    meta = FileMetadata(run_id="r", class_list_sha256="0" * 64, notes={EDITS: notes})
    write_descriptors(tmp_path / "descriptors.parquet", ROWS, meta)
    for command in (["edit", str(tmp_path), "--class", "wren", "--veto", "tiny"], ["report", str(tmp_path)]):
        assert run([*command, "--out", str(tmp_path / "out")]) == 3
        assert "did not write" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
