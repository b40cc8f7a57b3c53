"""Reading class lists, and what is said about them."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from syntrans.class_lint import homonyms, normalised
from syntrans.classes import (
    BUILTIN,
    ClassEntry,
    blank_lines,
    class_list_sha256,
    lint,
    read_classes,
    require_clean,
    slug,
)
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
        (
            "a.jsonl",
            '{"id": "n01531178", "name": "goldfinch", "definition": "a small yellow bird"}\n{"name": "Crane"}\n',
        ),
    ],
)
def test_every_text_form_gives_the_same_classes(name: str, text: str, tmp_path: Path) -> None:
    assert read_classes(written(tmp_path, name, text)) == [FINCH, CRANE]


def test_a_parquet_list_gives_the_same_classes(tmp_path: Path) -> None:
    columns = {"id": ["n01531178", None], "name": ["goldfinch", "Crane"], "definition": [FINCH.definition, None]}
    pq.write_table(pa.table(columns), tmp_path / "classes.parquet")
    assert read_classes(tmp_path / "classes.parquet") == [FINCH, CRANE]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.txt", "", "names no class"),
        ("a.txt", "# only a comment\n\n", "names no class"),
        ("a.txt", b"\x89PNG\r\n\x1a\n\xff\xd8", "is not UTF-8"),
        ("a.txt", b"goldfinch\0crane", "binary"),
        ("a.txt", "a\tb\tc\td", "line 1: 4 columns"),
        ("a.txt", "x\t\t", "gives no class name"),
        ("a.txt", "???", "gives no class name"),
        ("a.csv", "goldfinch\ncrane\n", "no column 'name'"),
        ("a.csv", "", "no column 'name'"),
        ("a.csv", "name\n" + "x" * 200_000, "is not CSV"),
        ("a.jsonl", '{"name": "a"}\n{', "line 2 is not JSON"),
        ("a.jsonl", '["a"]', "write one with id, name|write an object"),
        ("a.jsonl", '{"name": ["a"]}', "must be text"),
        ("a.parquet", b"PAR1", "not a readable Parquet"),
    ],
)
def test_a_bad_list_is_refused_with_its_file_and_the_rule(
    name: str, text: str | bytes, words: str, tmp_path: Path
) -> None:
    path = written(tmp_path, name, text)
    with pytest.raises(InputError, match=words) as caught:
        read_classes(path)
    assert str(path) in str(caught.value)


def test_a_parquet_list_without_names_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": ["a"]}), tmp_path / "classes.parquet")
    with pytest.raises(InputError, match="no column 'name'"):
        read_classes(tmp_path / "classes.parquet")


def test_a_list_that_is_not_there_names_the_built_in_ones(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="mini, tiered, cifar-fs, fc100, cub, world"):
        read_classes(tmp_path / "none.txt")


@pytest.mark.parametrize(
    ("name", "size"),
    [("mini", 100), ("tiered", 608), ("cifar-fs", 100), ("fc100", 100), ("cub", 200), ("world", 100)],
)
def test_a_built_in_list_has_its_classes_and_no_finding(name: str, size: int) -> None:
    entries = read_classes(name)
    assert lint(entries) == []
    assert len(entries) == len({entry.id for entry in entries}) == size


def test_no_built_in_list_is_forgotten_here() -> None:
    assert set(BUILTIN) == {"mini", "tiered", "cifar-fs", "fc100", "cub", "world"}


def test_built_in_lists_are_those_that_the_splits_give(shared_data: Path) -> None:
    splits = json.loads((shared_data / "splits" / "miniimagenet.json").read_text())
    wnids = [item["wnid"] for split in ("train", "val", "test") for item in splits[split]]
    assert [entry.id for entry in read_classes("mini")] == wnids


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
        ("a\N{ZERO WIDTH JOINER}b", "a(u+200d)b"),
        ("???", ""),
    ],
)
def test_ids_of_names_are_lower_case_words_joined_by_dashes_that_keep_marks_and_signs(name: str, expected: str) -> None:
    assert slug(name) == expected


def test_the_hash_of_a_list_knows_content_and_not_order() -> None:
    assert class_list_sha256([FINCH, CRANE]) == class_list_sha256([CRANE, FINCH])
    assert class_list_sha256([FINCH]) != class_list_sha256([FINCH._replace(definition=None)])


def findings(*names: str | ClassEntry) -> set[tuple[str, str]]:
    entries = [name if isinstance(name, ClassEntry) else ClassEntry(slug(name), name) for name in names]
    return {(finding.level, finding.rule) for finding in lint(entries)}


def test_ordinary_names_give_no_finding() -> None:
    assert findings("goldfinch", "house finch", "wolf") == set()


def test_the_same_name_in_other_spelling_is_an_error() -> None:
    assert ("error", "duplicate_name") in findings(
        ClassEntry("a", "House_Finch"), ClassEntry("b", "the house-finch"), "wolf"
    )


def test_two_lines_with_one_id_are_an_error() -> None:
    assert ("error", "duplicate_id") in findings(ClassEntry("x", "wolf"), ClassEntry("x", "lamb"))


def test_the_same_line_twice_is_an_error() -> None:
    assert ("error", "duplicate_name") in findings("wolf", "wolf")


@pytest.mark.parametrize(
    "pair",
    [
        (ClassEntry("n02012849", "crane"), ClassEntry("n03126707", "crane")),
        (ClassEntry("crane-1", "crane", "a bird"), ClassEntry("crane-2", "crane", "a machine")),
    ],
)
def test_wnids_or_definitions_settle_one_name_of_two_things(pair: tuple[ClassEntry, ClassEntry]) -> None:
    assert findings(*pair) == {("warning", "same_name")}


@pytest.mark.parametrize(
    ("names", "rule"),
    [
        (("bear", "polar bear"), "name_in_name"),
        (("crane", "wolf"), "ambiguous"),
        (("The Sunglasses", "wolf"), "ambiguous"),
        (("cat", "cats"), "plural_twin"),
        (("wolf", "Wolves"), "plural_twin"),
        (("house mouse", "house mice"), "plural_twin"),
        (("glove", "gloves"), "plural_twin"),
        (("kitchen knife", "kitchen knives"), "plural_twin"),
        (("berry", "berries"), "plural_twin"),
        (("finch", "finches"), "plural_twin"),
        (("n02012849", "wolf"), "wnid_as_name"),
        (("house_finch", "wolf"), "file_like"),
        (("001.Albatross", "wolf"), "file_like"),
        (("wo\N{ZERO WIDTH SPACE}lf", "lamb"), "odd_characters"),
        (("e\N{COMBINING ACUTE ACCENT}lan", "lamb"), "odd_characters"),
        (("wolf",), "one_class"),
    ],
)
def test_what_will_hurt_later_is_a_warning(names: tuple[str, ...], rule: str) -> None:
    assert findings(*names) == {("warning", rule)}


@pytest.mark.parametrize("pair", [("bus", "walrus"), ("glass", "glasses of wine"), ("iris", "iri"), ("boss", "bos")])
def test_what_only_ends_like_a_plural_is_no_twin(pair: tuple[str, str]) -> None:
    assert "plural_twin" not in {rule for _, rule in findings(*pair)}


def test_one_class_under_two_lists_of_names_is_an_error() -> None:
    assert ("error", "shared_synonym") in findings("missile", "projectile, missile", "wolf")
    settled = ClassEntry("n03773504", "missile"), ClassEntry("n04008634", "projectile, missile")
    assert findings(*settled, "wolf") == set()


def test_the_same_homonym_twice_is_an_error_that_says_its_senses() -> None:
    found = lint([ClassEntry("a", "crane"), ClassEntry("b", "Crane")])
    assert found[0].level == "error"
    assert "wading bird" in found[0].message
    assert "machine that lifts" in found[0].message


@pytest.mark.parametrize("entry", [ClassEntry("n02012849", "crane"), ClassEntry("crane", "crane", "a bird")])
def test_a_wnid_or_a_definition_settles_a_homonym(entry: ClassEntry) -> None:
    assert findings(entry, "wolf") == set()


def test_every_known_homonym_has_two_senses_and_a_normalised_name() -> None:
    for name, senses in homonyms().items():
        assert name == normalised(name)
        assert len(senses) >= 2, name


def test_empty_lines_between_classes_are_said(tmp_path: Path) -> None:
    from syntrans.cli_steps import check_classes

    path = written(tmp_path, "a.txt", "wolf\n\nlamb\n   \nbear\n\n\n")
    assert blank_lines(path) == [2, 4]
    found, text = check_classes(str(path))
    assert found["warnings"] == 1
    assert "2 empty lines (2, 4)" in text


def test_a_name_inside_a_word_is_no_name_in_a_name() -> None:
    assert findings("ant", "elephant") == set()


def test_errors_come_first_and_stop_a_run() -> None:
    entries = [ClassEntry("a", "bear"), ClassEntry("b", "polar bear"), ClassEntry("c", "Bear")]
    assert lint(entries)[0].level == "error"
    with pytest.raises(InputError, match="'bear', 'Bear': the same name 2 times"):
        require_clean(entries)
