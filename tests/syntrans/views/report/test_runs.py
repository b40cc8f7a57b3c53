"""What the page of a run holds, and what is no run."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hostile import HOSTILE, LONG, ledger
from PIL import Image

from syntrans.classes.entries import ClassEntry
from syntrans.cli.app import run
from syntrans.errors import InputError
from syntrans.files.sealed_parquet import write_sealed
from syntrans.images.columns import ANY
from syntrans.images.hashes import sha256_of
from syntrans.views.report.provenance import licences_of
from syntrans.views.report.runs import parts_of, trainings_of
from syntrans.views.report.thumbnails import of_classes


def only(path: Path) -> dict[str, Any]:
    (part,) = parts_of([path])
    return part


def test_every_row_of_a_ledger_is_there_with_its_evidence(mined: Path) -> None:
    part = only(mined)
    table, rows = part["columns"], sorted(ledger(), key=lambda one: one.class_id)
    columns = table["rows"]
    assert columns["id"] == [one.descriptor_id for one in rows]
    for number, one in enumerate(rows):
        assert table["classes"][columns["class"][number]] == (one.class_id, one.class_name)
        end = columns["ended"][number]
        assert (end == -1) == one.kept
        assert one.kept or table["ends"][end] == (one.stage, one.reason)
        assert columns["words"][number] == [one.authors[0].raw]
        assert [votes["p"][number] for votes in columns["votes"]] == [round(1000 * vote.p_yes) for vote in one.votes]
        assert (columns["seen"][number], columns["margin"][number]) == (800, -50)
    same = columns["same_as"][[one.text for one in rows].index("black all over")]
    assert rows[same].text == "black"
    assert LONG in columns["text"]


def test_a_damaged_line_of_prompts_or_epochs_is_left_out(mined: Path, trained: Path) -> None:
    assert len(only(mined)["prompts"]) == 1
    (log,) = only(trained)["curves"]
    assert [row["epoch"] for row in log["rows"]] == [1, 2, 3]
    assert "note" not in log["rows"][0]


def test_imagined_pictures_show_their_sheet_and_what_was_kept_of_every_class(imagined: Path) -> None:
    part = only(imagined)
    assert part["sheet"].startswith("data:image/png;base64,")
    (one,) = part["classes"]
    assert one == {"id": "w1", "name": HOSTILE, "pictures": 3, "kept": 2, "dropped": "other_class 1"}
    (imagined / "contact_sheet.png").unlink()
    assert only(imagined)["sheet"] is None
    (imagined / "run.json").unlink()
    with pytest.raises(InputError, match=r"run\.json"):
        parts_of([imagined])


def test_an_evaluation_leads_from_a_row_to_its_episodes_and_mistakes(evaluated: Path) -> None:
    part = only(evaluated)
    assert part["accuracies"]["1"]["rows"]["syntrans"] == [4000, 6000, 6000, 8000]
    assert part["confusion"]["classes"] == ["wren", HOSTILE]
    assert part["confusion"]["pairs"]["1"]["syntrans"] == [(0, 1, 3)]


def test_an_evaluation_has_the_curve_of_its_bridge_and_the_ridge_map_apart(evaluated: Path) -> None:
    chosen = only(evaluated)["chosen"]
    assert [one["alpha"] for one in chosen["bridge"]] == [0.5, 1.0]
    assert [one["lam"] for one in chosen["ridge"]] == [1.0]


def test_an_evaluation_of_flier_leads_from_a_row_to_its_draws_classes_and_mistakes(flier_evaluated: Path) -> None:
    part = only(flier_evaluated)
    assert (part["kind"], part["headline"], part["reference"]) == ("evaluation", "flier", None)
    assert part["results"]["1"]["flier"]["seeds"] == [59.0, 61.0]
    assert part["per_class"]["1"]["wren"]["flier"] == 50.0
    assert part["confusion"]["pairs"]["1"]["flier"] == [(0, 1, 3)]


def test_a_training_of_flier_says_what_val_chose_in_shares(flier_trained: Path) -> None:
    part = only(flier_trained)
    assert part["kind"] == "training"
    assert part["methods"][0] == {
        "method": "FLIER", "shots": 1, "setting": {"fusion": 0.1}, "val": 0.725,
        "trials": [{"fusion": 0.1, "val": 0.725}],
    }  # fmt: skip


def test_the_training_of_an_evaluation_is_found_by_its_summary(trained: Path, evaluated: Path) -> None:
    summary = json.loads((evaluated / "summary.json").read_text()) | {"checkpoint": str(trained)}
    (evaluated / "summary.json").write_text(json.dumps(summary))
    assert trainings_of([evaluated]) == trainings_of([trained, evaluated]) == [trained]


def test_licences_are_those_of_who_wrote_the_descriptors_and_of_installed_weights(mined: Path, tmp_path: Path) -> None:
    told = licences_of(str(mined / "descriptors.parquet"), ["pyarrow", "no-such-package", HOSTILE, None])
    assert told.startswith(f"descriptors: {HOSTILE} {HOSTILE}; pyarrow: Apache")
    assert told.endswith("; pictures and other weights: not recorded, as their sources say")
    assert told.count("; ") == 2
    assert "the file is gone" in licences_of(str(tmp_path / "nowhere.parquet"))


def test_answers_say_how_they_were_made_where_the_file_says_it(predicted: Path, tmp_path: Path) -> None:
    part = only(predicted)
    assert part["facts"] == [("answers", str(predicted))]
    assert "does not say how it was made" in part["limits"][-1]
    pairs: dict[str, list[list[str]]] = {"top": [[]], "nearest": [[]], "speaks_for": [[]], "speaks_against": [[]]}
    row = {"path": ["a"], "status": ["named"], "class": ["wren"], "probability": [1.0], "prediction_set": [["wren"]]}
    facts = {"facts": json.dumps([["command", HOSTILE]])}
    write_sealed(tmp_path / "names.parquet", pa.table(row | pairs).replace_schema_metadata(facts))
    part = only(tmp_path / "names.parquet")
    assert part["facts"] == [("answers", str(tmp_path / "names.parquet")), ("command", HOSTILE)]
    assert not any("does not say" in line for line in part["limits"])


def test_an_evaluation_without_the_tables_beside_it_is_shown_without_them(evaluated: Path) -> None:
    for name in ("accuracies", "confusion"):
        (evaluated / f"{name}.parquet").unlink()
    part = only(evaluated)
    assert part["accuracies"] == part["confusion"] == {}


def test_the_unsure_come_first_and_large_and_a_picture_that_is_gone_is_none(predicted: Path, tmp_path: Path) -> None:
    Image.new("RGB", (2000, 1000)).save(tmp_path / "query" / "red.png")
    answers = only(predicted)["answers"]
    assert [answer["status"] for answer in answers] == ["unsure", "named", "named", "broken"]
    pictures = {(answer["status"], Path(answer["path"]).name): answer["picture"] for answer in answers}
    assert pictures["named", "gone.png"] is pictures["broken", "broken.png"] is None
    assert size(pictures["unsure", "red.png"]) == (2000, 1000)
    assert size(pictures["named", "red.png"]) == (224, 112)


def test_what_does_not_fit_at_full_size_is_small_and_counted(
    predicted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (2000, 1000)).save(tmp_path / "query" / "red.png")
    line = predicted.read_text().splitlines()[0]
    predicted.write_text(f"{line}\n{line}\n")
    monkeypatch.setattr("syntrans.views.report.prediction.LARGE_BYTES", 1)
    part = only(predicted)
    assert [size(answer["picture"])[0] for answer in part["answers"]] == [2000, 224]
    assert "Only 1 of 2 unsure pictures are at full size." in part["limits"]


def size(address: str) -> tuple[int, int]:
    import base64

    return Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))).size


def test_thumbnails_are_found_by_their_content(tmp_path: Path, artifacts: Path) -> None:
    (tmp_path / "wren").mkdir()
    for number, colour in enumerate(("red", "blue")):
        Image.new("RGB", (300, 200), colour).save(tmp_path / "wren" / f"{number}.png")
    (wanted,) = sha256_of([tmp_path / "wren" / "1.png"])
    thumbnails = of_classes(str(tmp_path), [ClassEntry("wren", "Wren")], {wanted, "0" * 64}, ANY)
    assert {sha256: size(address) for sha256, address in thumbnails.items()} == {wanted: (96, 64)}


def test_the_folder_of_a_demo_is_its_three_runs(mined: Path, trained: Path, evaluated: Path, tmp_path: Path) -> None:
    assert [part["kind"] for part in parts_of([tmp_path])] == ["mining", "training", "evaluation"]


def break_it(folder: Path, name: str) -> None:
    (folder / name).write_bytes((folder / name).read_bytes()[:-40])


@pytest.mark.parametrize("name", ["mine/descriptors.parquet", "evaluate/summary.json", "evaluate/confusion.parquet"])
def test_a_half_written_file_is_one_line_and_no_page(
    name: str, mined: Path, evaluated: Path, tmp_path: Path, artifacts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    break_it(tmp_path, name)
    assert run(["report", str(tmp_path / name.partition("/")[0])]) == 3
    assert name.rpartition("/")[2] in capsys.readouterr().err
    assert not (artifacts / "report").exists()


def test_a_run_that_has_not_finished_says_so_and_how_to_follow_it(mined: Path) -> None:
    (mined / "config.yaml").write_text("seed: 0\n")
    (mined / "run.json").unlink()
    (mined / "request.json").write_text("{}")
    with pytest.raises(InputError, match="has not finished.*--live"):
        parts_of([mined])
    assert parts_of([mined], unfinished=True)[0]["kind"] == "working"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("summary.json", "{}"),
        ("summary.json", "[1]"),
        ("summary.json", json.dumps({key: {} for key in ("episodes", "data", "groups", "results", "contrasts")})),
        ("summary.json", json.dumps({"results": {"1": {}}} | {key: {} for key in ("data", "contrasts", "chosen")})),
        ("train.json", '{"config": 3}'),
        ("train.json", '{"config": {}, "bridge": 3}'),
        ("flier.json", "{}"),
        ("flier.json", "[]"),
        ("summary.json", '{"system": "flier", "data": {}, "results": {}, "contrasts": {}, "chosen": {}}'),
        ("alpha.json", "{}"),
        ("notes.txt", "hello"),
        ("names.jsonl", '{"a": 1}\n'),
        ("names.jsonl", "hello\n"),
    ],
)
def test_what_others_wrote_is_no_run(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError):
        parts_of([tmp_path / name if name.startswith("n") else tmp_path])


def test_a_file_of_a_later_version_is_refused_by_its_number(mined: Path) -> None:
    import pyarrow.parquet as pq

    table = pq.read_table(mined / "descriptors.parquet")
    later = table.schema.metadata | {b"schema_version": b"99"}
    pq.write_table(table.replace_schema_metadata(later), mined / "descriptors.parquet")
    with pytest.raises(InputError, match="schema_version 99"):
        parts_of([mined])
