"""Reading class lists, and what is said about them."""

from __future__ import annotations

import codecs
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from syntrans.classes.entries import BUILTIN, ClassEntry, blank_lines, class_list_sha256, read_class_file, slug
from syntrans.classes.lint import lint
from syntrans.errors import InputError

FINCH = ClassEntry("n01531178", "goldfinch", "a small yellow bird")
CRANE = ClassEntry("crane", "Crane", None)


def written(tmp_path: Path, name: str, text: str | bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.txt", "# birds\nn01531178\tgoldfinch\ta small yellow bird\n\nCrane\n"),
        ("a.tsv", "\N{BYTE ORDER MARK}n01531178\tgoldfinch\ta small  yellow bird\r\ncrane\tCrane\r\n"),
        ("a", "n01531178\tgoldfinch\ta small yellow bird\n  Crane  "),
        ("a.csv", "id,name,definition\nn01531178,goldfinch,a small yellow bird\n,Crane,\n"),
        ("a.csv", 'Definition,Name,ID,notes\n"a small yellow bird",goldfinch,n01531178,x\n,Crane,crane,y\n'),
        ("a.tsv", "ID\tName\tDefinition\nn01531178\tgoldfinch\ta small yellow bird\ncrane\tCrane\n"),
        ("a.tsv", "# birds\nname\tid\tnotes\tdefinition\ngoldfinch\tn01531178\tx\ta small yellow bird\nCrane\n"),
        ("a.txt", "id\tname\tdefinition\nn01531178\tgoldfinch\ta small yellow bird\n\tCrane\n"),
        ("a.csv", "id;name;definition\nn01531178;goldfinch;a small yellow bird\n;Crane;\n"),
        ("a.json", '[{"id": "n01531178", "name": "goldfinch", "definition": "a small yellow bird"}, "Crane"]'),
        ("a.txt", '[{"id": "n01531178", "name": "goldfinch", "definition": "a small yellow bird"}, "Crane"]'),
        ("a.txt", codecs.BOM_UTF16_LE + "n01531178\tgoldfinch\ta small yellow bird\r\nCrane".encode("utf-16-le")),
        ("a.txt", codecs.BOM_UTF16_BE + "n01531178\tgoldfinch\ta small yellow bird\nCrane".encode("utf-16-be")),
        (
            "a.jsonl",
            '{"id": "n01531178", "name": "goldfinch", "definition": "a small yellow bird"}\n{"name": "Crane"}\n',
        ),
    ],
)
def test_every_text_form_gives_the_same_classes(name: str, text: str | bytes, tmp_path: Path) -> None:
    assert read_class_file(written(tmp_path, name, text)) == [FINCH, CRANE]


def test_a_parquet_list_gives_the_same_classes(tmp_path: Path) -> None:
    columns = {"id": ["n01531178", None], "name": ["goldfinch", "Crane"], "definition": [FINCH.definition, None]}
    pq.write_table(pa.table(columns), tmp_path / "classes.parquet")
    assert read_class_file(tmp_path / "classes.parquet") == [FINCH, CRANE]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.txt", "", "names no class"),
        ("a.txt", "# only a comment\n\n", "names no class"),
        ("a.txt", b"\x89PNG\r\n\x1a\n\xff\xd8", "is not UTF-8"),
        ("a.txt", codecs.BOM_UTF16_LE + b"a", "is not UTF-16"),
        ("a.txt", b"goldfinch\0crane", "binary"),
        ("a.txt", "a\tb\tc\td", "line 1: 4 columns"),
        ("a.txt", "x\t\t", "gives no class name"),
        ("a.txt", "???", r"'\?\?\?' has no letter.*give it an id: id<TAB>\?\?\?"),
        ("a.csv", "goldfinch\ncrane\n", "no column 'name'; its columns are 'goldfinch'; call one of them name"),
        ("a.csv", "species;latin\nwolf;canis\n", "its columns are 'species', 'latin'"),
        ("a.csv", "", "no column 'name'"),
        ("a.json", '{"wolf": 1}', "holds a JSON object; write one name a line"),
        ("a.txt", '{"wolf": 1}', "holds a JSON object; write one name a line"),
        ("a.json", "wolf", "is not JSON"),
        ("a.json", "[" * 100_000, "is not JSON"),
        ("a.json", '["wolf", null]', "item 2 is a JSON null; write an object"),
        ("a.json", r'["wolf", "\ud83e"]', "half of a character"),
        ("a.csv", "name\n" + "x" * 200_000, "is not CSV"),
        ("a.jsonl", '{"name": "a"}\n{', "line 2 is not JSON"),
        ("a.jsonl", '["a"]', "is a JSON array; write an object"),
        ("a.jsonl", '{"name": ["a"]}', "must be text"),
        ("a.parquet", b"PAR1", "not a readable Parquet"),
    ],
)
def test_a_bad_list_is_refused_with_its_file_and_the_rule(
    name: str, text: str | bytes, words: str, tmp_path: Path
) -> None:
    path = written(tmp_path, name, text)
    with pytest.raises(InputError, match=words) as caught:
        read_class_file(path)
    assert str(path) in str(caught.value)


def test_a_parquet_list_without_names_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": ["a"]}), tmp_path / "classes.parquet")
    with pytest.raises(InputError, match="no column 'name'"):
        read_class_file(tmp_path / "classes.parquet")


def test_a_list_that_is_not_there_names_the_built_in_ones(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="mini, tiered, cifar-fs, fc100, cub, world"):
        read_class_file(tmp_path / "none.txt")


@pytest.mark.parametrize(
    ("name", "size"),
    [("mini", 100), ("tiered", 608), ("cifar-fs", 100), ("fc100", 100), ("cub", 200), ("world", 100)],
)
def test_a_built_in_list_has_its_classes_and_no_finding(name: str, size: int) -> None:
    entries = read_class_file(name)
    assert lint(entries) == []
    assert len(entries) == len({entry.id for entry in entries}) == size


def test_no_built_in_list_is_forgotten_here() -> None:
    assert set(BUILTIN) == {"mini", "tiered", "cifar-fs", "fc100", "cub", "world"}


def test_built_in_lists_are_those_that_the_splits_give(shared_data: Path) -> None:
    splits = json.loads((shared_data / "splits" / "miniimagenet.json").read_text())
    wnids = [item["wnid"] for split in ("train", "val", "test") for item in splits[split]]
    assert [entry.id for entry in read_class_file("mini")] == wnids


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("House Finch", "house-finch"),
        ("house_finch", "house-finch"),
        ("Garfield (cartoon cat)", "garfield-cartoon-cat"),
        ("St. Bernard's", "st-bernard-s"),
        ("Brötchen", "brötchen"),
        ("Bro\N{COMBINING DIAERESIS}tchen", "brötchen"),
        ("C++", "c++"),
        ("パス", "パス"),
        ("🦊", "🦊"),
        ("a\N{ZERO WIDTH JOINER}b", "a~200d~b"),
        ("???", ""),
    ],
)
def test_ids_of_names_are_lower_case_words_joined_by_dashes_that_keep_marks_and_signs(name: str, expected: str) -> None:
    assert slug(name) == expected


def test_the_hash_of_a_list_knows_content_and_not_order() -> None:
    assert class_list_sha256([FINCH, CRANE]) == class_list_sha256([CRANE, FINCH])
    assert class_list_sha256([FINCH]) != class_list_sha256([FINCH._replace(definition=None)])


def test_empty_lines_between_classes_are_said(tmp_path: Path) -> None:
    from syntrans.cli.commands.classes_check import check_classes

    path = written(tmp_path, "a.txt", "wolf\n\nlamb\n   \nbear\n\n\n")
    assert blank_lines(path) == [2, 4]
    report, text = check_classes(str(path))
    assert report["warnings"] == 1
    assert "2 empty lines (2, 4)" in text


def test_a_list_in_utf16_has_no_empty_lines(tmp_path: Path) -> None:
    assert blank_lines(written(tmp_path, "a.txt", "wolf\nlamb\n".encode("utf-16"))) == []


def test_the_word_name_alone_in_a_plain_list_is_a_class(tmp_path: Path) -> None:
    assert [entry.name for entry in read_class_file(written(tmp_path, "a.txt", "name\nwolf\n"))] == ["name", "wolf"]


@pytest.mark.parametrize(
    "text",
    [
        "🦊\n🐻\n",
        "C\nC++\nC#\n",
        "Bär\nBar\nant\n",
        "dưa\ndừa\ndứa\n",
        "ハス\nバス\nパス\n",
        "की\nका\nकि\n",
        "ปา\nป่า\nป้า\n",
    ],
)
def test_names_that_differ_by_marks_or_signs_alone_are_classes_of_their_own(text: str, tmp_path: Path) -> None:
    entries = read_class_file(written(tmp_path, "a.txt", text))
    assert len({entry.id for entry in entries}) == len(text.split())
    assert [finding for finding in lint(entries) if finding.level == "error"] == []


def test_a_decomposed_name_is_read_composed(tmp_path: Path) -> None:
    assert read_class_file(written(tmp_path, "a.txt", "Ba\N{COMBINING DIAERESIS}r")) == [ClassEntry("bär", "Bär")]


@pytest.mark.parametrize("name", ["cifar-fs", "fc100"])
def test_the_built_in_lists_have_the_ids_that_their_names_give(name: str) -> None:
    assert [entry.id for entry in read_class_file(name)] == [slug(entry.name) for entry in read_class_file(name)]
