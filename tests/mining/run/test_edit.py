"""Corrections on a mined run: its rows, its class vectors, and that other thresholds keep them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from syntrans.contract.reading import check_file, read_descriptors, read_semantics
from syntrans.descriptors.edits import EDITS, Edit
from syntrans.errors import InputError, ModelLoadError
from syntrans_mining.engines.fake import FakeEncoder
from syntrans_mining.run import edit as editing
from syntrans_mining.run.edit import edit
from syntrans_mining.run.output_files import MineResult
from syntrans_mining.run.refilter import refilter

Run = Callable[..., MineResult]


def vectors(folder: Path) -> dict[str, np.ndarray]:
    return {row.class_id: np.array(row.embedding) for row in read_semantics(folder / "semantics.parquet")[0]}


@pytest.fixture
def mined(run: Run, configure: Callable, tmp_path: Path) -> Path:
    run(configure(), tmp_path / "old")
    return tmp_path / "old"


def first_kept(folder: Path) -> tuple[str, str]:
    row = next(row for row in read_descriptors(folder / "descriptors.parquet")[0] if row.kept)
    return row.class_id, row.text


def corrections(folder: Path) -> list[Edit]:
    class_id, text = first_kept(folder)
    veto = Edit.model_validate({"action": "veto", "class": class_id, "text": text})
    return [veto, Edit.model_validate({"action": "add", "class": class_id, "text": "a silver crest"})]


def test_a_corrected_class_has_the_vector_of_its_rows_and_the_others_keep_theirs(mined: Path, tmp_path: Path) -> None:
    edited = edit(mined, corrections(mined), tmp_path / "new")
    check_file(edited.descriptors)
    before, after = vectors(mined), vectors(tmp_path / "new")
    changed = {name for name in before if not np.allclose(before[name], after[name])}
    assert changed == {first_kept(mined)[0]}
    assert all(np.linalg.norm(vector) == pytest.approx(1, abs=1e-5) for vector in after.values())
    summary = next(row.summary for row in read_semantics(edited.semantics)[0] if row.class_id in changed)
    assert "a silver crest" in summary
    assert first_kept(mined)[1] not in summary


def test_vetoed_and_restored_a_class_has_its_vector_again(mined: Path, tmp_path: Path) -> None:
    class_id, text = first_kept(mined)
    for action, old, new in (("veto", mined, tmp_path / "a"), ("restore", tmp_path / "a", tmp_path / "b")):
        edit(old, [Edit.model_validate({"action": action, "class": class_id, "text": text})], new)
    assert vectors(tmp_path / "b")[class_id] == pytest.approx(vectors(mined)[class_id], abs=1e-6)


def test_the_run_says_what_it_was_made_of_and_what_was_corrected(mined: Path, tmp_path: Path) -> None:
    edited = edit(mined, corrections(mined), tmp_path / "new")
    old = read_descriptors(mined / "descriptors.parquet")[0]
    assert edited.run["edit_of"] == "old"
    assert edited.run["rows"] == len(old) + 1
    assert edited.run["kept"] == sum(row.kept for row in old)
    assert edited.run["stages"]
    meta = read_descriptors(edited.descriptors)[1]
    assert [record["action"] for record in meta.notes[EDITS]] == ["veto", "add"]


def test_other_thresholds_keep_the_corrections(mined: Path, tmp_path: Path) -> None:
    class_id, text = first_kept(mined)
    edit(mined, corrections(mined), tmp_path / "new")
    again = refilter(tmp_path / "new", ["filter.budget=2"], tmp_path / "strict")
    plain = refilter(mined, ["filter.budget=2"], tmp_path / "plain")
    rows, meta = read_descriptors(again.descriptors)
    by_text = {(row.class_id, row.text): row for row in rows}
    assert by_text[class_id, text].reason == "vetoed"
    assert by_text[class_id, "a silver crest"].kept
    assert len(meta.notes[EDITS]) == 2
    untouched = {(row.class_id, row.text, row.rank) for row in read_descriptors(plain.descriptors)[0] if row.kept}
    assert {key for key in untouched if key[0] != class_id} == {
        (row.class_id, row.text, row.rank) for row in rows if row.kept and row.class_id != class_id
    }


def test_without_its_models_a_run_is_corrected_but_for_the_class_vectors(
    mined: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def absent(_config: object) -> None:
        raise ModelLoadError("model 'fake' is not there")

    monkeypatch.setattr(editing, "resolve_models", absent)
    edited = edit(mined, corrections(mined), tmp_path / "new")
    assert edited.semantics is None
    assert edited.run_json.is_file()
    assert "semantics.parquet is left out" in capsys.readouterr().err


def test_a_run_that_was_corrected_twice_still_has_the_vectors_of_the_first(
    mined: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class_id, text = first_kept(mined)
    veto = Edit.model_validate({"action": "veto", "class": class_id, "text": text})
    edit(mined, [veto], tmp_path / "a")
    monkeypatch.setattr(FakeEncoder, "embed_texts", lambda *_: pytest.fail("CLIP was asked"))
    edit(tmp_path / "a", [veto.model_copy(update={"action": "restore"})], tmp_path / "b")
    refilter(tmp_path / "b", [], tmp_path / "c")
    assert vectors(tmp_path / "c")[class_id] == pytest.approx(vectors(mined)[class_id], abs=1e-6)


def test_an_unfinished_run_is_not_corrected(mined: Path, tmp_path: Path) -> None:
    (mined / "run.json").unlink()
    with pytest.raises(InputError, match="no run.json"):
        edit(mined, corrections(mined), tmp_path / "new")
