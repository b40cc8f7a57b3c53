"""Class lists come in many forms, and the same classes are read from each."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syntrans.classes.files import blank_lines, read_records
from syntrans.errors import InputError

CLASSES = [("n1", "wren", "a small bird"), ("n2", "house finch", ""), ("n3", "Ara, blue", 'called "macaw"')]
FIELDS = ("id", "name", "definition")


def as_csv(delimiter: str) -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows([FIELDS, *CLASSES])
    return text.getvalue()


FORMS = {
    "list.txt": "".join("\t".join(row) + "\n" for row in CLASSES),
    "list.tsv": "\t".join(FIELDS) + "\n" + "".join("\t".join(row) + "\n" for row in CLASSES),
    "commas.csv": as_csv(","),
    "semicolons.csv": as_csv(";"),
    "tabs.csv": as_csv("\t"),
    "list.json": json.dumps([dict(zip(FIELDS, row, strict=True)) for row in CLASSES]),
    "list.jsonl": "\n".join(json.dumps(dict(zip(FIELDS, row, strict=True))) for row in CLASSES),
    "list.ndjson": "\n\n".join(json.dumps(dict(zip(FIELDS, row, strict=True))) for row in CLASSES),
    "json_in.txt": json.dumps([dict(zip(FIELDS, row, strict=True)) for row in CLASSES]),
}


def write(folder: Path, name: str, text: str, encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def classes_of(path: Path) -> list[tuple[str, ...]]:
    return [tuple(str(fields[name]) for name in FIELDS) for _, fields in read_records(path)]


@pytest.mark.parametrize("name", FORMS)
def test_every_form_holds_the_same_classes(name: str, tmp_path: Path) -> None:
    assert classes_of(write(tmp_path, name, FORMS[name])) == CLASSES


def test_a_table_of_parquet_holds_them_too(tmp_path: Path) -> None:
    columns = dict(zip(FIELDS, map(list, zip(*CLASSES, strict=True)), strict=True))
    pq.write_table(pa.table(columns), tmp_path / "list.parquet")
    assert classes_of(tmp_path / "list.parquet") == CLASSES


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_says_the_encoding(encoding: str, tmp_path: Path) -> None:
    path = write(tmp_path, "list.txt", "Brücke\nwren\n", encoding)
    assert [fields["name"] for _, fields in read_records(path)] == ["Brücke", "wren"]


def test_each_class_says_where_it_stands(tmp_path: Path) -> None:
    path = write(tmp_path, "list.txt", "# birds\n\nwren\n  # not this\nrobin\n")
    assert [place for place, _ in read_records(path)] == [f"{path}, line 3", f"{path}, line 5"]
    assert blank_lines(path) == [2]


def test_a_table_and_a_json_array_have_no_empty_lines_to_speak_of(tmp_path: Path) -> None:
    assert blank_lines(write(tmp_path, "list.csv", "name\n\nwren\n")) == []
    assert blank_lines(write(tmp_path, "list.txt", '["wren",\n\n"robin"]')) == []


def test_a_class_may_be_called_name_where_the_file_is_no_table(tmp_path: Path) -> None:
    assert [fields for _, fields in read_records(write(tmp_path, "list.txt", "name\nwren\n"))] == [
        {"name": "name"},
        {"name": "wren"},
    ]
    assert [fields for _, fields in read_records(write(tmp_path, "list.tsv", "name\nwren\n"))] == [{"name": "wren"}]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("list.txt", "a\tb\tc\td\n", r"line 1: 4 columns"),
        ("list.csv", "bird,colour\nwren,brown\n", r"no column 'name'; its columns are 'bird', 'colour'"),
        ("list.csv", "", r"its columns are \(none\)"),
        ("list.json", '{"wren": 1}', "holds a JSON object"),
        ("list.json", '["wren", 3]', r"item 2 is a JSON number"),
        ("list.json", '["wren"', "is not JSON"),
        ("list.jsonl", '"wren"\n[1]', r"line 2 is a JSON array"),
        ("list.jsonl", '"wren"\n{', r"line 2 is not JSON"),
        ("list.txt", "wren\0robin", "is a binary file"),
    ],
)
def test_what_is_no_list_is_refused_with_its_place(name: str, text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        read_records(write(tmp_path, name, text))


def test_text_of_another_encoding_says_at_which_byte(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is not UTF-8 text \(byte 2\)"):
        read_records(write(tmp_path, "list.txt", "Brücke", "latin-1"))


@settings(max_examples=10)
@given(st.lists(st.text(st.characters(categories=["L", "M", "N", "P", "S"]), min_size=1), max_size=5))
def test_names_of_any_letters_come_back(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    path.write_text("\n".join(json.dumps({"name": name}, ensure_ascii=False) for name in names), encoding="utf-8")
    assert [fields["name"] for _, fields in read_records(path)] == names
