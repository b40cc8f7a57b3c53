"""Asking what tells a class from its most similar one, and what becomes of the answers."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syntrans.classes.entries import ClassEntry
from syntrans.contract.reading import read_descriptors
from syntrans.contract.rows import FACETS
from syntrans_mining.engines.base import Response
from syntrans_mining.run.output_files import MineResult
from syntrans_mining.steps import merge, propose
from syntrans_mining.steps.candidate import Author, Candidate

Run = Callable[..., MineResult]
CONTRAST = {"prompt": "contrast.v1"}


def said(text: str, model: str, other: str | None = None) -> Candidate:
    return Candidate("heron", "heron", text, "other", [Author(model, "1", "p", 0, 0, text)], contrast_with=other)


def test_statements_carry_the_class_that_they_tell_from(run: Run, configure: Callable) -> None:
    result = run(configure(contrast=CONTRAST))
    rows, meta = read_descriptors(result.descriptors)
    pairs = {(row.class_id, row.contrast_with) for row in rows if row.contrast_with}
    assert {class_id for class_id, _ in pairs} == {"heron", "ibis", "kestrel", "linnet"}
    assert all(class_id != other for class_id, other in pairs)
    assert "contrast.v1" in meta.prompt_sha256
    authors = {author.prompt for row in rows if row.contrast_with for author in row.authors}
    assert "contrast.v1" in authors


def test_they_are_grounded_and_measured_against_that_class(run: Run, configure: Callable) -> None:
    config = configure(contrast={**CONTRAST, "neighbours": 3}, crosscheck={"threshold": 0}, ground={"threshold": 0})
    rows, _ = read_descriptors(run(config).descriptors)
    measured = [row for row in rows if row.contrast_with and row.clip and row.grounding]
    assert len({(row.class_id, row.contrast_with) for row in measured}) > 4  # also of others than the nearest
    for row in measured:
        assert row.grounding is not None
        assert row.clip is not None
        assert row.grounding.contrast_class == row.clip.neighbour == row.contrast_with


def test_without_pictures_names_decide_what_is_similar(run: Run, configure: Callable) -> None:
    rows, _ = read_descriptors(run(configure(contrast=CONTRAST), images=None).descriptors)
    assert {row.class_id for row in rows if row.contrast_with} == {"heron", "ibis", "kestrel", "linnet"}


def test_one_class_alone_is_told_from_nothing(run: Run, configure: Callable, entries: list[ClassEntry]) -> None:
    rows, _ = read_descriptors(run(configure(contrast=CONTRAST), classes=entries[:1]).descriptors)
    assert not any(row.contrast_with for row in rows)


def test_an_unanswered_pair_is_a_row_of_its_own(run: Run, configure: Callable) -> None:
    config = configure({"fail": ["easily taken for"]}, contrast={**CONTRAST, "neighbours": 2})
    rows, _ = read_descriptors(run(config).descriptors)
    failed = [row for row in rows if row.stage == "propose"]
    assert len(failed) == len({row.descriptor_id for row in failed}) == 4 * 2 * 3
    assert all(row.contrast_with and "against" in row.text for row in failed)


def test_what_was_said_both_ways_is_one_statement_with_all_authors() -> None:
    first, second = [said("grey wings", "ann")], [said("Grey wings.", "bob", "ibis"), said("a bill", "bob", "ibis")]
    united = propose.unite(first, second)
    assert [(c.text, c.contrast_with, sorted(c.author_models)) for c in united] == [
        ("grey wings", "ibis", ["ann", "bob"]),
        ("a bill", "ibis", ["bob"]),
    ]


def test_the_pair_is_part_of_the_seed() -> None:
    from syntrans_mining.steps.propose import _Call, _seed

    class Named:
        name = id = "x"

    calls = [_Call(Named, Named, Named, 0, other) for other in (None, ClassEntry("a", "a"), ClassEntry("b", "b"))]  # type: ignore[arg-type]
    assert len({_seed(0, call) for call in calls}) == 3


def test_answers_that_name_the_other_class_are_dropped(run: Run, configure: Callable) -> None:

    rows = [said("a longer bill than an ibis", "ann", "ibis"), said("heron-like legs", "ann", "ibis")]
    merge.check_texts(rows, ["heron", "ibis"], max_words=8)
    assert [row.reason for row in rows] == ["names_class", "names_class"]
    assert propose.parse_answer(Response("id", '{"descriptors": []}')) is None


def answer(**values: object) -> Response:
    return Response("id", json.dumps(values))


def test_an_answer_gives_facets_and_texts() -> None:
    response = answer(descriptors=[{"facet": "colour", "text": " grey   wings\n"}, {"facet": "mood", "text": "proud"}])
    assert propose.parse_answer(response) == ([("colour", "grey wings"), ("other", "proud")], [])


def test_what_is_no_statement_among_others_is_told_from_them_by_its_place() -> None:
    response = answer(descriptors=["grey wings", 7, {"facet": "colour"}, {"facet": "part", "text": "a bill"}, None])
    statements, malformed = propose.parse_answer(response) or ([], [])
    assert statements == [("other", "grey wings"), ("part", "a bill")]
    assert malformed == [(2, "7"), (3, '{"facet": "colour"}'), (5, "null")]


@pytest.mark.parametrize(
    "response",
    [
        Response("id", '{"descriptors": [{"facet": "colour", "te', "length"),
        Response("id", '{"descriptors": [{"facet": "colour", "text": "grey"}]}', "length"),
        Response("id", '{"descriptors": [{"facet": "colour", "text": "grey"}', "stop"),
        Response("id", '{"descriptors": []}'),
        Response("id", '"grey"'),
        Response("id", "I cannot help with that."),
        Response("id", ""),
        Response("id", error="too long", finish_reason="error"),
        Response("id", '{"descriptors": [{"facet": "colour"}, 7]}'),
        Response("id", "[" * 5000),
    ],
)
def test_what_is_cut_off_or_not_json_is_no_answer_and_is_not_repaired(response: Response) -> None:
    assert propose.parse_answer(response) is None


@given(st.text())
def test_any_text_at_all_is_parsed_or_refused(text: str) -> None:
    parsed = propose.parse_answer(Response("id", text))
    assert parsed is None or all(facet in FACETS for facet, _ in parsed[0])
