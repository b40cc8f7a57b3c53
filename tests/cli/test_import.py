"""`syntrans import`: published descriptions in the contract."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from syntrans.classes import ClassEntry, read_classes
from syntrans.cli import run
from syntrans.contract import read_descriptors
from syntrans.errors import InputError, UsageError
from syntrans.importers import import_descriptions


def source(tmp_path: Path, value: object) -> Path:
    path = tmp_path / "source.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


TWO = {"House Finch": ["A red breast.", "Brown wings, with bars.", "a red  breast"], "wolf": ["Grey fur."]}


def test_sentences_stay_whole_and_all_are_kept(tmp_path: Path) -> None:
    done = import_descriptions(source(tmp_path, TWO), "cupl", tmp_path / "out")
    rows, meta = read_descriptors(done.descriptors)
    assert [(row.class_id, row.text, row.rank) for row in rows] == [
        ("house-finch", "A red breast.", 1),
        ("house-finch", "Brown wings, with bars.", 2),
        ("wolf", "Grey fur.", 1),
    ]
    assert {(row.kept, row.facet, row.weight, row.agreement) for row in rows} == {(True, "other", 1.0, None)}
    assert set(meta.notes["skipped"]) == {"crosscheck", "ground", "filter", "compose"}


def test_a_sentence_said_twice_is_one_row_with_two_authors(tmp_path: Path) -> None:
    done = import_descriptions(source(tmp_path, TWO), "cupl", tmp_path / "out")
    first = read_descriptors(done.descriptors)[0][0]
    assert [(author.model, author.sample, author.raw) for author in first.authors] == [
        ("gpt-3 (CuPL)", 0, "A red breast."),
        ("gpt-3 (CuPL)", 2, "a red breast"),
    ]


def test_a_class_list_gives_ids_and_leaves_the_rest_out(tmp_path: Path) -> None:
    entries = [ClassEntry("n01532829", "house_finch"), ClassEntry("wolf", "Canis lupus")]
    done = import_descriptions(source(tmp_path, {**TWO, "lamb": ["wool"]}), "dclip", tmp_path / "out", entries)
    rows, _ = read_descriptors(done.descriptors)
    assert {(row.class_id, row.class_name) for row in rows} == {("n01532829", "house_finch"), ("wolf", "Canis lupus")}
    assert done.left_out == ["lamb"]


def test_a_listed_class_that_is_not_described_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"does not describe 1 listed classes: crane"):
        import_descriptions(source(tmp_path, TWO), "cupl", tmp_path, [ClassEntry("crane", "crane")])


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("{", "is not JSON"),
        ([], "must map class names"),
        ({}, "must map class names"),
        ({"wolf": "grey"}, "class 'wolf' has no list of texts"),
        ({"wolf": [1]}, "class 'wolf' has no list of texts"),
        ({"wolf": [" "]}, "class 'wolf' has no description"),
        ({"wolf": ["a"], "Wolf": ["b"]}, "the same name 2 times"),
    ],
)
def test_malformed_sources_are_refused_with_the_rule(value: object, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words):
        import_descriptions(source(tmp_path, value), "cupl", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_unknown_format_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cupl, dclip"):
        import_descriptions(source(tmp_path, TWO), "xml", tmp_path / "out")


def test_a_missing_source_ends_with_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["import", str(tmp_path / "none.json"), "--format", "cupl"]) == 3
    assert "cannot read" in capsys.readouterr().err


def test_caltech_comes_in_with_all_its_classes(
    shared_data: Path, artifacts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["import", str(shared_data / "caltech101" / "cupl_descriptions.json"), "--format", "cupl"]) == 0
    written = Path(capsys.readouterr().out.strip())
    rows, _ = read_descriptors(written)
    assert written.parent.parent == artifacts / "import"
    assert len({row.class_id for row in rows}) == 100
    assert sum(len(row.authors) for row in rows) == 3000


def test_dclip_fits_a_built_in_list(shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / "descriptors" / "dclip_cub.json"
    assert import_descriptions(path, "dclip", tmp_path, read_classes("cub")).n_classes == 200
