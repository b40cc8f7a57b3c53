"""`syntrans predict` from folders to rows, with an encoder that sees colours."""

import csv
import json
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from prediction_world import COLOURS, Words, opened, photo, predict, write_task

from syntrans.cli.app import run
from syntrans.contract.rows import FileMetadata
from syntrans.contract.writing import write_descriptors
from syntrans.images import decode as image_decode
from syntrans_training.prediction import task
from syntrans_training.prediction.encoders.choose import LazyText
from syntrans_training.prediction.encoders.minilm import SentenceEncoder


@pytest.fixture(autouse=True)
def colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """The encoder at hand sees colours, and reads their names."""
    monkeypatch.setattr(task, "open_image_encoder", lambda _ref: opened(LazyText("words", Words)))
    monkeypatch.setattr(task, "require_packages", lambda _ref: None)


def right(rows):
    return [row["class"] == row["path"].rpartition("/")[2].partition("_")[0] for row in rows if not row["error"]]


def test_one_picture_a_class_gives_every_picture_a_name_and_promises_nothing(tmp_path, capsys) -> None:
    support, query = write_task(tmp_path, shots=1)
    code, rows, err = predict(capsys, "--support", support, "--query", query)
    assert code == 0
    assert len(rows) == 12
    assert all(right(rows))
    assert {row["guarantee"] for row in rows} == {""}
    assert "no class has a second picture to test with" in err
    first, second = err.splitlines()[:2]
    supports = f"supports: {support} (--support, 3 pictures of 3 classes)"
    why = "descriptors: none (no file at hand has all of these classes)"
    assert first.endswith(f"pictures: {query} (--query); {supports}; {why}")
    assert second.endswith("encoder: colours, as the test says")


def test_a_class_without_a_picture_takes_its_imagined_ones_where_they_are_named(
    tmp_path, capsys, write_imagined_of
) -> None:
    support, query = write_task(tmp_path, shots=2)
    [picture.unlink() for picture in (support / "blue").iterdir()]
    file = write_imagined_of(tmp_path, {name: [photo(name, n) for n in (91, 92, 93)] for name in ("blue", "red")})
    told = ["--support", support, "--query", query, "--set", f"imagined={file}", "--set", "imagined_supports=2"]
    code, rows, err = predict(capsys, *told, "--text", "none")
    assert code == 0
    assert all(right(rows))
    assert f"imagined: {file} (--set imagined, 2 pictures of 1 class without any)" in err
    assert "4 pictures of 2 classes" in err
    assert "sets hold a class less often than they say" in err
    assert "sets hold a class less often than they say" in predict(capsys, *told)[2]


@pytest.mark.parametrize(("text", "code"), [("auto", 0), ("names", 4)])
def test_without_a_sentence_encoder_pictures_alone_decide_unless_text_was_asked_for(
    text, code, tmp_path, capsys, monkeypatch
) -> None:
    support, query = write_task(tmp_path, shots=1, queries=1)
    monkeypatch.setattr(task, "open_image_encoder", lambda _ref: opened(LazyText("MiniLM", SentenceEncoder)))
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    monkeypatch.setattr("syntrans.packages.extras.is_here", lambda name: name != "tokenizers")
    exit_code, rows, err = predict(capsys, "--support", support, "--query", query, "--text", text)
    assert (exit_code, len(rows)) == (code, 0 if code else 3)
    assert "run: syntrans install minilm" in err


def test_a_broken_picture_is_a_row_with_its_error(tmp_path, capsys) -> None:
    support, query = write_task(tmp_path, shots=2)
    (query / "torn.png").write_bytes(photo("red", 1)[:60])
    code, rows, err = predict(capsys, "--support", support, "--query", query)
    broken = [row for row in rows if row["status"] == "broken"]
    assert code == 0
    assert [row["path"] for row in broken] == [str(query / "torn.png")]
    assert "not a readable picture" in broken[0]["error"]
    assert "1 broken" in err


def test_a_picture_of_too_many_pixels_is_a_row_with_its_error(tmp_path, capsys, monkeypatch) -> None:
    support, query = write_task(tmp_path, shots=1, queries=1)
    monkeypatch.setattr(image_decode, "MAX_PIXELS", 200)
    (query / "bomb.png").write_bytes(photo("red", 1, side=20))
    _, rows, _ = predict(capsys, "--support", support, "--query", query)
    (bomb,) = (row for row in rows if row["status"] == "broken")
    assert "20x20" in bomb["error"]


@pytest.mark.parametrize("form", ["file", "glob", "parquet"])
def test_a_query_is_a_file_a_glob_or_parquet_without_labels(form, tmp_path, capsys) -> None:
    support, query = write_task(tmp_path, shots=1)
    if form == "parquet":
        given = tmp_path / "q.parquet"
        pq.write_table(
            pa.table({"image": [{"bytes": photo("blue", 7), "path": None}, {"bytes": None, "path": "x"}]}), given
        )
    else:
        given = query / "blue_1.png" if form == "file" else query / "blue_*.png"
    code, rows, err = predict(capsys, "--support", support, "--query", given)
    assert code == 0
    assert ("\n1 picture, " in err) == (form == "file")
    assert {row["class"] for row in rows if row["status"] != "broken"} == {"blue"}
    assert [row["status"] for row in rows].count("broken") == (form == "parquet")


def test_classes_without_a_picture_are_named_by_their_text(tmp_path, capsys) -> None:
    support, query = write_task(tmp_path, shots=1)
    for file in (support / "blue").iterdir():
        file.unlink()
    code, rows, err = predict(capsys, "--support", support, "--query", query)
    assert code == 0
    assert all(right(rows))
    (tmp_path / "list.txt").write_text("\n".join(COLOURS) + "\n")
    code, rows, err = predict(capsys, "--classes", tmp_path / "list.txt", "--query", query)
    assert code == 0
    assert sum(right(rows)) == len(rows)
    assert "text: class names, read by words" in err


def test_the_four_file_forms_hold_the_same_answers(tmp_path, capsys) -> None:
    support, query = write_task(tmp_path, shots=2)
    _, rows, _ = predict(capsys, "--support", support, "--query", query)
    for ending in ("csv", "jsonl", "parquet", "html"):
        out = tmp_path / f"out.{ending}"
        code, printed, _ = predict(capsys, "--support", support, "--query", query, "--out", out)
        assert (code, printed) == (0, [])
    with (tmp_path / "out.csv").open() as file:
        assert list(csv.DictReader(file)) == rows
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    table = pq.read_table(tmp_path / "out.parquet").to_pylist()
    page = (tmp_path / "out.html").read_text()
    for row, line, cells in zip(rows, lines, table, strict=True):
        assert row["path"] == line["path"] == cells["path"]
        assert row["class"] == line["class"] == cells["class"]
        assert line["prediction_set"] == cells["prediction_set"]
        assert row["path"] in page
    facts = dict(json.loads(pq.read_schema(tmp_path / "out.parquet").metadata[b"facts"]))
    assert facts["supports"] == f"6 pictures of {support}"
    assert facts["encoder"] in page
    assert facts.keys() >= {"command", "machine", "versions", "licences"}
    assert page.count("data:image/jpeg;base64,") == len(rows)
    assert "connect-src" not in page


def test_answers_in_parquet_know_when_a_byte_of_them_has_changed_and_older_ones_are_still_read(
    tmp_path, capsys
) -> None:
    support, query = write_task(tmp_path, shots=1, queries=1)
    out, older, page = tmp_path / "names.parquet", tmp_path / "older.parquet", str(tmp_path / "page")
    assert predict(capsys, "--support", support, "--query", query, "--out", out)[0] == 0
    pq.write_table(pq.read_table(out), older)
    assert run(["report", str(out), str(older), "--out", page]) == 0
    data = bytearray(out.read_bytes())
    data[len(data) // 3] ^= 1
    out.write_bytes(data)
    capsys.readouterr()
    assert run(["report", str(out), "--out", page]) == 3
    assert "names.parquet is damaged" in capsys.readouterr().err


def test_pictures_are_sorted_into_folders_once_however_often_it_runs(tmp_path, capsys) -> None:
    support, query = write_task(tmp_path, shots=3)
    (query / "deep").mkdir()
    (query / "deep" / "red_3.png").write_bytes(photo("red", 99))
    for _ in range(2):
        predict(capsys, "--support", support, "--query", query, "--sort-into", tmp_path / "sorted")
    files = sorted(str(path.relative_to(tmp_path / "sorted")) for path in (tmp_path / "sorted").rglob("*.png"))
    assert len(files) == 13
    assert "green/green_4.png" in files
    assert sum("red_3" in name for name in files) == 2
    assert len(list(query.rglob("*.png"))) == 13


def test_broken_pictures_are_counted_where_the_others_are_sorted(tmp_path, capsys) -> None:
    support, query = write_task(tmp_path, shots=1)
    (query / "torn.png").write_bytes(photo("red", 1)[:60])
    _, _, err = predict(capsys, "--support", support, "--query", query, "--sort-into", tmp_path / "sorted")
    assert f"sorted 12 pictures into {tmp_path / 'sorted'}; 1 broken left where it is" in err
    (query / "burnt.png").write_bytes(b"")
    _, _, err = predict(capsys, "--support", support, "--query", query, "--sort-into", tmp_path / "sorted")
    assert "2 broken left where they are" in err


@pytest.mark.parametrize(("more", "said"), [(0, "3 classes, 2 pictures each"), (1, "3 classes, 2 to 3 pictures each")])
def test_the_number_of_pictures_is_a_range_only_where_it_differs(more, said, tmp_path, capsys) -> None:
    support, query = write_task(tmp_path, shots=2)
    for number in range(more):
        (support / "red" / f"more{number}.png").write_bytes(photo("red", 90 + number))
    _, _, err = predict(capsys, "--support", support, "--query", query)
    assert said in err


def test_odd_supports_are_said_before_the_answers(tmp_path, capsys) -> None:
    support, query = write_task(tmp_path, shots=3)
    (support / "red" / "9.png").write_bytes((support / "blue" / "0.png").read_bytes())
    _, _, err = predict(capsys, "--support", support, "--query", query)
    assert "the same picture in blue and red" in err
    assert f"odd one out in red: {support / 'red' / '9.png'} looks like blue" in err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 2, "predict needs --support"),
        (("--support", "{nothing}"), 3, "is not there"),
        (("--support", "{empty}"), 3, "holds no picture"),
        (("--support", "{one}"), 3, "at least two"),
        (("--support", "{torn}"), 3, "none of the 2 supports can be read"),
        (("--support", "{support}", "--text", "much"), 2, "auto, names, none"),
        (("--support", "{support}", "--out", "x.xlsx"), 2, ".csv, .parquet, .jsonl or .html"),
        (("--support", "{support}", "--set", "coverage=1.5"), 2, "less than 1"),
        (("--support", "{support}", "--coverage", "0.9"), 2, "was renamed to --set coverage"),
        (("--support", "{support}", "--set", "engine.kind=spark"), 2, "'local' or 'ray'"),
        (("--support", "{support}", "--descriptors", "{told}"), 3, "has no descriptor of blue, green, red"),
        (("--support", "{support}", "--query", "{empty}"), 3, "holds no picture (it holds nothing); give a picture, a"),
    ],
)
def test_bad_input_is_one_line_with_its_code(arguments, code, message, tmp_path, capsys, descriptor_row) -> None:
    support, query = write_task(tmp_path, shots=1, queries=1)
    (tmp_path / "empty").mkdir()
    (tmp_path / "one" / "red").mkdir(parents=True)
    (tmp_path / "one" / "red" / "1.png").write_bytes(photo("red", 1))
    for name in ("a", "b"):
        (tmp_path / "torn" / name).mkdir(parents=True)
        (tmp_path / "torn" / name / "1.png").write_bytes(b"\x89PNG")
    meta = FileMetadata(run_id="told", class_list_sha256="0" * 64, prompt_sha256={}, images_seen=[])
    write_descriptors(tmp_path / "told.parquet", [descriptor_row("wren", "it is brown")], meta)
    places = {name: str(tmp_path / name) for name in ("nothing", "empty", "one", "torn")} | {"support": str(support)}
    places["told"] = str(tmp_path / "told.parquet")
    got, rows, err = predict(capsys, "--query", query, *(a.format(**places) for a in arguments))
    assert got == code
    assert message in err
    assert rows == []
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("names", "other"), [(("a\tAC:DC", "b\tAC?DC"), "'AC:DC'"), (("_unsure", "x"), "'unsure pictures'")]
)
def test_classes_that_would_be_sorted_into_one_folder_are_refused_before_anything_is_read(
    names, other, tmp_path, capsys
) -> None:
    (tmp_path / "list.txt").write_text("\n".join(names))
    query = tmp_path / "query.png"
    query.write_bytes(photo("red", 1))
    sort = ("--sort-into", tmp_path / "sorted")
    code, _, err = predict(capsys, "--classes", tmp_path / "list.txt", "--query", query, *sort)
    assert code == 3
    assert f"{other} and " in err
    assert "would both be sorted into the folder" in err


def test_a_query_that_is_not_there_is_refused(tmp_path, capsys) -> None:
    support, _ = write_task(tmp_path, shots=1, queries=1)
    code, _, err = predict(capsys, "--support", support, "--query", tmp_path / "nowhere" / "*.jpg")
    assert code == 3
    assert "fits nothing; give a picture" in err


def test_descriptors_are_taken_by_name_and_speak_for_a_picture(tmp_path, capsys) -> None:
    source = tmp_path / "told.json"
    source.write_text(json.dumps({colour: [f"it is {colour}", "it is large"] for colour in COLOURS}))
    assert run(["import", str(source), "--format", "dclip", "--out", str(tmp_path / "told")]) == 0
    capsys.readouterr()
    support, query = write_task(tmp_path, shots=2)
    file = tmp_path / "told" / "descriptors.parquet"
    code, rows, err = predict(capsys, "--support", support, "--query", query, "--descriptors", file)
    assert code == 0
    assert f"text: {file}, read by words" in err
    assert err.splitlines()[0].endswith(f"descriptors: {file} (--descriptors)")
    assert all(f"it is {row['class']}" in row["speaks_for"] for row in rows)


def test_what_a_killed_command_left_half_written_is_gone_after_the_next(tmp_path, capsys) -> None:
    support, query = write_task(tmp_path, shots=1)
    (tmp_path / "sorted" / "red").mkdir(parents=True)
    rests = [tmp_path / ".out.csv.4194304-0a1b.tmp", tmp_path / "sorted" / "red" / ".a.png.4194304-0a1b.tmp"]
    for path in rests:  # the number is above the highest that a process can have
        path.touch()
    into = ("--out", tmp_path / "out.csv", "--sort-into", tmp_path / "sorted")
    assert predict(capsys, "--support", support, "--query", query, *into)[0] == 0
    assert not any(path.exists() for path in rests)


def test_a_formula_in_a_file_name_stays_text(tmp_path, capsys, monkeypatch) -> None:
    support, _ = write_task(tmp_path, shots=1, queries=1)
    monkeypatch.chdir(tmp_path)
    for name in ("=1+1.png", "-1+1.png"):
        (tmp_path / name).write_bytes(photo("red", 5))
    _, rows, _ = predict(capsys, "--support", support, "--query", "*1+1.png")
    assert [row["path"] for row in rows] == ["'-1+1.png", "'=1+1.png"]
