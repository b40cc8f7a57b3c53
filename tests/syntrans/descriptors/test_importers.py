"""`syntrans import`: published descriptions in the contract."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syntrans.classes.entries import ClassEntry
from syntrans.cli.app import run
from syntrans.contract.reading import read_descriptors
from syntrans.contract.rows import descriptor_id, normalise_text
from syntrans.descriptors.importers import import_descriptions
from syntrans.errors import InputError, UsageError
from syntrans.images.class_lists import read_classes
from syntrans.text_safety import plain_text


def source(tmp_path: Path, value: object) -> Path:
    path = tmp_path / "source.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


TWO = {"House Finch": ["A red breast.", "Brown wings, with bars.", "a red  breast"], "wolf": ["Grey fur."]}


def test_sentences_stay_whole_and_all_are_kept(tmp_path: Path) -> None:
    done = import_descriptions([source(tmp_path, TWO)], tmp_path / "out")
    rows, meta = read_descriptors(done.descriptors)
    assert [(row.class_id, row.text, row.rank) for row in rows] == [
        ("house-finch", "A red breast.", 1),
        ("house-finch", "Brown wings, with bars.", 2),
        ("wolf", "Grey fur.", 1),
    ]
    assert {(row.kept, row.facet, row.agreement) for row in rows} == {(True, "other", None)}
    assert set(meta.notes["skipped"]) == {"crosscheck", "ground", "filter", "compose"}


def test_a_sentence_said_twice_is_one_row_that_counts_twice_with_two_authors(tmp_path: Path) -> None:
    done = import_descriptions([source(tmp_path, TWO)], tmp_path / "out")
    first, second = read_descriptors(done.descriptors)[0][:2]
    assert (first.weight, second.weight) == (2.0, 1.0)
    assert [(author.model, author.sample, author.raw) for author in first.authors] == [
        ("gpt-3 (CuPL)", 0, "A red breast."),
        ("gpt-3 (CuPL)", 2, "a red breast"),
    ]


def test_a_class_list_gives_ids_and_leaves_the_rest_out(tmp_path: Path) -> None:
    entries = [ClassEntry("n01532829", "house_finch"), ClassEntry("wolf", "Canis lupus")]
    done = import_descriptions([source(tmp_path, {**TWO, "lamb": ["wool"]})], tmp_path / "out", entries)
    rows, _ = read_descriptors(done.descriptors)
    assert {(row.class_id, row.class_name) for row in rows} == {("n01532829", "house_finch"), ("wolf", "Canis lupus")}
    assert done.left_out == ["lamb"]


def test_a_listed_class_that_is_not_described_is_named(tmp_path: Path) -> None:
    entries = [ClassEntry("crane", "crane"), ClassEntry("wolfe", "wolfe")]
    with pytest.raises(InputError, match=r"does not describe 2 listed classes: crane, wolfe \(nearest: wolf\)"):
        import_descriptions([source(tmp_path, {"wolf": ["Grey fur."], "x": []})], tmp_path, entries)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("{", "is not JSON"),
        ([], "must map class names"),
        ({}, "must map class names"),
        ({"wolf": "grey"}, "class 'wolf' has no list of texts"),
        ({"wolf": [1]}, "class 'wolf' has no list of texts"),
        ({"wolf": {}}, "class 'wolf' has no list of texts"),
        ({"wolf": [" "], "lamb": []}, "there is no description at all"),
        ({"???": ["a"]}, r"'\?\?\?' has no letter"),
        ({" ": ["a"]}, "the name of class ' ' is empty"),
        (r'{"a\ud800": ["\ud800 red"]}', r"class 'a\\ud800' holds half of a character"),
        ({"wolf": ["a"], "Wolf": ["b"]}, "the same name 2 times"),
    ],
)
def test_malformed_sources_are_refused_with_the_rule(value: object, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words):
        import_descriptions([source(tmp_path, value)], tmp_path / "out", formats=["cupl"])
    assert not (tmp_path / "out").exists()


def test_an_unknown_format_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cupl, dclip"):
        import_descriptions([source(tmp_path, TWO)], tmp_path / "out", formats=["xml"])


def test_a_missing_source_ends_with_3_and_leaves_no_folder(
    tmp_path: Path, artifacts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["import", str(tmp_path / "none.json"), "--format", "cupl"]) == 3
    assert "is not a file" in capsys.readouterr().err
    assert not list(artifacts.glob("import/*"))


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
    assert import_descriptions([path], tmp_path, read_classes("cub")).n_classes == 200


LINES = """
{"class": "House Finch", "text": "a red breast", "facet": "colour", "author": "org/llm", "prompt": "p.v1"}
{"class": "wolf", "text": "grey fur", "id": "n02114367"}

{"class": "House Finch", "text": "A red breast.", "author": "me"}
"""


def test_lines_bring_ids_facets_and_authors_along(tmp_path: Path) -> None:
    done = import_descriptions([source(tmp_path, LINES)], tmp_path / "out")
    rows, _ = read_descriptors(done.descriptors)
    assert [(row.class_id, row.class_name, row.text, row.facet) for row in rows] == [
        ("house-finch", "House Finch", "a red breast", "colour"),
        ("n02114367", "wolf", "grey fur", "other"),
    ]
    assert [(author.model, author.prompt) for author in rows[0].authors] == [("org/llm", "p.v1"), ("me", "jsonl")]
    assert rows[1].authors[0].model == "unknown"


def test_lines_are_found_by_id_as_well(tmp_path: Path) -> None:
    entries = [ClassEntry("n02114367", "grey wolf")]
    done = import_descriptions([source(tmp_path, LINES)], tmp_path / "out", entries)
    assert [row.class_name for row in read_descriptors(done.descriptors)[0]] == ["grey wolf"]
    assert done.left_out == ["House Finch"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "holds no line"),
        ("{", "line 1 is not JSON"),
        ('\n["a"]', "line 2: it: Input should be"),
        ('{"class": "wolf"}', "line 1: text: Field required"),
        (
            '{"class": "wolf", "text": "a", "klass": 1}',
            "klass: Extra inputs.*the keys are class, text",
        ),
        ('{"class": "wolf", "text": "a", "facet": "smell"}', "facet: must be one of shape, colour"),
        ('{"class": "", "text": "a"}', "class: is empty"),
        (r'{"class": "wolf\ud800", "text": "a"}', "line 1: class: holds half of a character"),
        (
            '{"class": "wolf", "text": "a", "id": "x"}\n{"class": "wolf", "text": "b", "id": "y"}',
            "the same name 2 times",
        ),
        ('{"class": "Bär", "text": "a", "id": "x"}\n{"class": "Bar", "text": "b", "id": "x"}', "id 'x' is given to"),
    ],
)
def test_malformed_lines_are_refused_with_their_number(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words):
        import_descriptions([source(tmp_path, text)], tmp_path / "out", formats=["jsonl"])
    assert not (tmp_path / "out").exists()


@given(st.lists(st.tuples(st.sampled_from(["wolf", "Crow", "鷺"]), st.text()), min_size=1))
def test_any_text_comes_in_harmless_or_is_refused(said: list[tuple[str, str]]) -> None:
    lines = "\n".join(json.dumps({"class": name, "text": text}) for name, text in said)
    with tempfile.TemporaryDirectory() as folder:
        paths = [source(Path(folder), lines)]
        if not any(normalise_text(plain_text(text)) for _, text in said):
            with pytest.raises(InputError, match="no description"):
                import_descriptions(paths, Path(folder), formats=["jsonl"])
            return
        rows, _ = read_descriptors(import_descriptions(paths, Path(folder), formats=["jsonl"]).descriptors)
    assert all(row.text.isprintable() and row.descriptor_id == descriptor_id(row.class_id, row.text) for row in rows)
    assert {row.class_name for row in rows} == {name for name, _ in said}


def test_the_id_of_an_import_is_its_folders_name(tmp_path: Path) -> None:
    source = tmp_path / "cupl.json"
    source.write_text(json.dumps({"wolf": ["A wolf is grey."]}))
    assert run(["import", str(source), "--format", "cupl", "--out", str(tmp_path / "20260101-120000-ab12")]) == 0
    _, meta = read_descriptors(tmp_path / "20260101-120000-ab12" / "descriptors.parquet")
    assert meta.run_id == "20260101-120000-ab12"
