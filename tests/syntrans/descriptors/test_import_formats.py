"""Each published form of descriptions gives the same lines, in the order of its source."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from syntrans.classes.entries import ClassEntry
from syntrans.descriptors.import_formats import LINE_LIMIT, read_source
from syntrans.errors import InputError, UsageError

WREN, FINCH = ClassEntry("wren", "wren"), ClassEntry("house finch", "house finch")


def write(folder: Path, content: Any, name: str = "source.json") -> Path:
    path = folder / name
    lines = name.endswith(".jsonl")
    path.write_text("\n".join(map(json.dumps, content)) if lines else json.dumps(content), encoding="utf-8")
    return path


def texts(path: Path, form: str | None = None) -> dict[ClassEntry, list[str]]:
    return {entry: [line.text for line in lines] for entry, lines in read_source(path, form).described.items()}


@pytest.mark.parametrize(
    ("content", "form"),
    [
        ({"wren": ["A wren is brown.", "It is small."]}, "cupl"),
        ({"wren": ["brown", "small and round."]}, "dclip"),
        ({"wren": [], "house finch": []}, "dclip"),
    ],
)
def test_sentences_that_end_are_cupls_and_phrases_dclips(content: Any, form: str, tmp_path: Path) -> None:
    assert read_source(write(tmp_path, content)).form == form


def test_a_form_that_is_named_is_taken(tmp_path: Path) -> None:
    source = read_source(write(tmp_path, {"wren": ["A wren is brown."]}), "dclip")
    (line,) = source.described[WREN]
    assert (line.origin.prompt, line.origin.author) == ("dclip", "gpt-3 (DCLIP)")


def test_a_class_that_stands_twice_has_all_its_texts_and_is_named(tmp_path: Path) -> None:
    path = tmp_path / "source.json"
    path.write_text('{"wren": ["brown"], "house finch": ["red"], "wren": ["small", "brown"]}')
    assert texts(path) == {WREN: ["brown", "small", "brown"], FINCH: ["red"]}
    assert read_source(path).repeated == ["wren"]


def test_lines_are_told_by_their_first_one(tmp_path: Path) -> None:
    rows = [{"class": "wren", "text": "brown"}, {"class": "house finch", "text": "red"}]
    path = tmp_path / "source.txt"
    path.write_text("\n\n".join(map(json.dumps, rows)))
    assert read_source(path).form == "jsonl"
    assert texts(path) == {WREN: ["brown"], FINCH: ["red"]}


def test_an_id_that_one_line_says_is_that_of_the_class(tmp_path: Path) -> None:
    rows = [{"class": "wren", "text": "brown"}, {"class": "wren", "text": "small", "id": "n1"}]
    assert texts(write(tmp_path, rows, "source.jsonl")) == {ClassEntry("n1", "wren"): ["brown", "small"]}


def test_two_ids_of_one_name_are_two_classes_and_a_line_without_one_is_neither(tmp_path: Path) -> None:
    rows = [{"class": "crane", "text": text, "id": name} for text, name in (("tall", "bird"), ("steel", "machine"))]
    path = write(tmp_path, [*rows, {"class": "crane", "text": "grey"}], "source.jsonl")
    assert {entry.id for entry in read_source(path).described} == {"bird", "machine", "crane"}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "[]", "holds no object"),
        ("a.json", "{}", "holds no object"),
        ("a.json", "{", "is not JSON"),
        ("a.json", '{"wren": "brown"}', "class 'wren' has no list of texts"),
        ("a.json", '{"wren": [1]}', "class 'wren' has no list of texts"),
        ("a.json", '{" ": ["brown"]}', "is empty; give a name"),
        ("a.jsonl", "", "holds no line"),
        ("a.jsonl", '{"class": "wren", "text": "brown"}\n{"class": "wren"}', "line 2: .*the keys are class, text"),
        ("a.jsonl", '{"class": "wren", "text": "brown", "colour": 1}', "line 1: .*colour"),
        ("a.jsonl", '{"class": "wren"', "line 1 is not JSON"),
        ("a.jsonl", " " * (LINE_LIMIT + 2), "line 1 is longer than"),
    ],
)
def test_what_is_of_no_form_is_refused_with_its_place(name: str, text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        read_source(tmp_path / name)


def test_a_form_that_is_not_known_is_refused_before_the_file_is_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'csv' is not known; one of: cupl, dclip, jsonl"):
        read_source(tmp_path / "nowhere.json", "csv")
