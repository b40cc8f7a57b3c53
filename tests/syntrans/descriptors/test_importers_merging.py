"""What an import merges, drops and names, so that nothing is lost in silence."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from syntrans.classes.entries import ClassEntry, slug
from syntrans.cli.app import run
from syntrans.contract.reading import read_descriptors
from syntrans.contract.rows import DescriptorRow
from syntrans.descriptors.importers import Imported, import_descriptions
from syntrans.errors import InputError, UsageError


def written(tmp_path: Path, name: str, value: object) -> Path:
    path = tmp_path / name
    path.write_text(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), encoding="utf-8")
    return path


def rows_of(done: Imported) -> list[DescriptorRow]:
    return read_descriptors(done.descriptors)[0]


def said(done: Imported) -> dict[tuple[str, str], list[str]]:
    sentences: dict[tuple[str, str], list[str]] = {}
    for row in rows_of(done):
        sentences.setdefault((row.class_id, row.class_name), []).append(row.text)
    return sentences


COLLIDE = {"Bär": ["Ein großes Tier."], "Bar": ["A room with stools."], "C++": ["curly braces."], "C": ["a letter."]}


@pytest.mark.parametrize("listed", [None, slug, "id-of-{}".format])
def test_each_of_the_names_that_look_alike_keeps_its_own_text(listed, tmp_path: Path) -> None:
    entries = None if listed is None else [ClassEntry(listed(name), name) for name in COLLIDE]
    done = import_descriptions([written(tmp_path, "cupl.json", COLLIDE)], tmp_path / "out", entries)
    assert {name: texts for (_, name), texts in said(done).items()} == COLLIDE


def test_a_class_that_stands_twice_in_the_source_has_both_lists_and_is_named(tmp_path: Path) -> None:
    text = '{"crane": ["A tall bird.", "Grey feathers."], "missile": ["A rocket."], "crane": ["A machine."]}'
    done = import_descriptions([written(tmp_path, "cupl.json", text)], tmp_path / "out")
    assert said(done)["crane", "crane"] == ["A tall bird.", "Grey feathers.", "A machine."]
    assert "merged 1 classes that a source has more than once: crane" in done.messages()


def test_one_name_in_two_unicode_spellings_is_one_class(tmp_path: Path) -> None:
    value = {"B\u00e4r": ["Brown."], "Ba\u0308r": ["Large."]}
    done = import_descriptions([written(tmp_path, "cupl.json", value)], tmp_path / "out")
    assert said(done) == {("b\u00e4r", "B\u00e4r"): ["Brown.", "Large."]}
    assert done.twice == ["B\u00e4r"]


def test_one_description_for_two_classes_of_one_name_is_an_error_that_names_their_ids(tmp_path: Path) -> None:
    cranes = [ClassEntry("n02012849", "crane"), ClassEntry("n03126707", "crane")]
    path = written(tmp_path, "cupl.json", {"crane": ["A tall wading bird."]})
    with pytest.raises(InputError, match="'crane' could belong to .* n02012849, n03126707"):
        import_descriptions([path], tmp_path / "out", cranes)


def test_lines_with_ids_describe_two_classes_of_one_name(tmp_path: Path) -> None:
    lines = [
        {"class": "crane", "id": "n02012849", "text": "A bird."},
        {"class": "crane", "id": "n03126707", "text": "A machine."},
    ]
    path = written(tmp_path, "a.jsonl", "\n".join(map(json.dumps, lines)))
    done = import_descriptions([path], tmp_path / "out")
    assert said(done) == {("n02012849", "crane"): ["A bird."], ("n03126707", "crane"): ["A machine."]}


def test_classes_with_empty_lists_come_in_and_are_named_all_at_once(tmp_path: Path) -> None:
    value = {"wolf": ["grey fur"], **{f"empty {n}": [] for n in range(4)}, "wordless": [" ."]}
    done = import_descriptions([written(tmp_path, "dclip.json", value)], tmp_path / "out")
    nothing = [row for row in rows_of(done) if row.class_name != "wolf"]
    assert [(row.kept, row.stage, row.reason) for row in nothing] == [(False, "propose", "no_answer")] * 5
    assert done.messages()[-1].endswith("for them: empty 0, empty 1, empty 2, empty 3, wordless")
    assert "dropped 1 descriptions without a word" in done.messages()


def test_a_sentence_counts_as_often_as_it_was_said(tmp_path: Path) -> None:
    value = {"wolf": ["Grey fur.", "Sharp teeth.", "grey  fur", "Grey fur.", "Grey fur.", "grey fur"]}
    done = import_descriptions([written(tmp_path, "cupl.json", value)], tmp_path / "out")
    counted = [(row.text, row.weight, [author.sample for author in row.authors]) for row in rows_of(done)]
    assert counted == [("Grey fur.", 5.0, [0, 2, 3, 4, 5]), ("Sharp teeth.", 1.0, [1])]
    assert "merged 4 descriptions into rows that say the same and count as often" in done.messages()


def test_files_of_mixed_formats_are_put_together_class_by_class(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cupl = written(tmp_path, "a.json", {"House Finch": ["A red breast."], "wolf": ["Grey fur."]})
    dclip = written(tmp_path, "b.json", {"house_finch": ["a short beak"], "lamb": ["wool"]})
    lines = written(tmp_path, "c.txt", '{"class": "wolf", "text": "grey fur", "author": "me"}')
    assert run(["import", str(cupl), str(dclip), str(lines)]) == 0
    out, err = capsys.readouterr()
    rows, meta = read_descriptors(out.strip())
    assert [(row.class_name, row.text, row.weight) for row in rows] == [
        ("House Finch", "A red breast.", 1.0),
        ("House Finch", "a short beak", 1.0),
        ("lamb", "wool", 1.0),
        ("wolf", "Grey fur.", 2.0),
    ]
    assert Counter(author.model for row in rows for author in row.authors) == {
        "gpt-3 (CuPL)": 2,
        "gpt-3 (DCLIP)": 2,
        "me": 1,
    }
    assert [file["format"] for file in meta.config["files"]] == ["cupl", "dclip", "jsonl"]
    assert "spells otherwise: house_finch = House Finch" in err


def test_two_classes_of_one_file_that_another_file_could_mean_are_never_merged(tmp_path: Path) -> None:
    a = written(tmp_path, "a.json", {"wolf": ["Grey."]})
    b = written(tmp_path, "b.json", {"Wolf": ["Grey."], "WOLF": ["Large."]})
    with pytest.raises(InputError, match="'Wolf', 'WOLF'"):
        import_descriptions([a, b], tmp_path / "out")


def test_every_file_may_add_to_a_listed_class_and_one_must(tmp_path: Path) -> None:
    a, b = (written(tmp_path, f"{n}.json", {n: [f"of {n}"], "wolf": [n]}) for n in "ab")
    entries = [ClassEntry("1", "wolf"), ClassEntry("2", "b")]
    done = import_descriptions([a, b], tmp_path / "out", entries)
    assert said(done) == {("1", "wolf"): ["a", "b"], ("2", "b"): ["of b"]}
    assert done.messages()[-1] == "left out 1 classes that are not on the list: a"


def test_a_format_is_said_for_all_files_or_once_a_file(tmp_path: Path) -> None:
    paths = [written(tmp_path, name, {"wolf": ["grey"]}) for name in ("a.json", "b.json", "c.json")]
    done = import_descriptions(paths, tmp_path / "out", formats=["cupl", "dclip", "cupl"])
    assert [author.prompt for author in rows_of(done)[0].authors] == ["cupl", "dclip", "cupl"]
    with pytest.raises(UsageError, match="2 --format for 3 files"):
        import_descriptions(paths, tmp_path / "out", formats=["cupl", "dclip"])
