"""The steps one by one, on hand-made candidates."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syntrans.classes.entries import ClassEntry
from syntrans.contract.rows import FACETS
from syntrans_mining.engines.base import Response, TextVectors
from syntrans_mining.steps import compose, crosscheck, failures, ground, merge, propose
from syntrans_mining.steps import filter as filtering
from syntrans_mining.steps.candidate import Author, Candidate, Clip, Grounding, Vote, kept

BIRDS = ("heron", "ibis", "House-finch", "kitchen knife", "butterfly")


def candidate(text: str, *models: str, class_id: str = "heron") -> Candidate:
    authors = [
        Author(model=model, revision="1", prompt="p", sample=0, seed=0, raw=text) for model in models or ("ann",)
    ]
    return Candidate(class_id, class_id, text, "other", authors)


def answer(**values: object) -> Response:
    return Response("id", json.dumps(values))


# propose


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
    found = propose.parse_answer(Response("id", text))
    assert found is None or all(facet in FACETS for facet, _ in found[0])


@given(st.text())
def test_clean_text_is_one_line_without_unseen_characters(text: str) -> None:
    cleaned = failures.clean_text(text)
    assert cleaned.isprintable()
    assert cleaned == cleaned.strip()
    assert len(cleaned) <= failures.RAW_LIMIT
    assert failures.clean_text(cleaned) == cleaned


# merge


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "malformed"),
        ("42 !!", "malformed"),
        ("one two three four five six", "malformed"),
        ("wings <|im_end|>", "malformed"),
        ("see https://x.org", "malformed"),
        ("a heron beak", "names_class"),
        ("larger than Ibises", "names_class"),
        ("like a house-finch", "names_class"),
        ("an ibis", "names_class"),
        ("spots of a house finch", "names_class"),
        ("the housefinch's red", "names_class"),
        ("smaller than kitchen knives", "names_class"),
        ("resembling butterflies", "names_class"),
        ("an ibis red bill", None),
        ("a sheronette frill", None),
        ("grey wings", None),
    ],
)
def test_texts_are_checked(text: str, reason: str | None) -> None:
    row = candidate(text)
    merge.check_texts([row], BIRDS, max_words=5)
    assert row.reason == reason


def test_near_duplicates_join_the_best_supported_one() -> None:
    rows = [candidate("grey wings"), candidate("wings of grey", "bob", "cleo"), candidate("long legs")]
    vectors = np.array([[1, 0], [0.99, 0.14], [0, 1]], dtype=np.float32)
    merge.merge_duplicates(rows, vectors, similarity=0.95)
    assert [row.reason for row in rows] == ["duplicate_of", None, None]
    assert [row.row().duplicate_of for row in rows] == [rows[1].id, None, None]
    assert rows[1].author_models == {"ann", "bob", "cleo"}
    assert rows[1].authors[-1].raw == "grey wings"


def test_the_same_words_about_two_classes_are_two_statements() -> None:
    rows = [candidate("grey wings"), candidate("grey wings", class_id="ibis")]
    merge.merge_duplicates(rows, np.ones((2, 1), dtype=np.float32), similarity=0.9)
    assert len(kept(rows)) == 2


# crosscheck


@given(st.integers(1, 5), st.lists(st.floats(0, 1), max_size=5))
def test_agreement_is_between_0_and_1_and_rises_with_every_vote(n_authors: int, votes: list[float]) -> None:
    value = crosscheck.agreement(n_authors, votes)
    assert 0 <= value <= 1
    assert crosscheck.agreement(n_authors, [*votes, 1.0]) >= value


def test_disagreed_statements_go() -> None:
    rows = [candidate("grey wings"), candidate("green wings")]
    rows[0].agreement, rows[1].agreement = 0.7, 0.3
    crosscheck.drop_disagreed(rows, threshold=0.5)
    assert [row.reason for row in rows] == [None, "no_agreement"]


# ground


@pytest.mark.parametrize(
    ("p_yes", "contrast", "gap", "dropped"),
    [
        (0.6, 0.6, None, False),
        (0.4, 0.0, None, True),
        (0.6, 0.6, 0.1, True),
        (0.8, 0.6, 0.1, False),
        (0.6, None, 0.1, False),
    ],
)
def test_what_is_not_seen_goes(p_yes: float, contrast: float | None, gap: float | None, dropped: bool) -> None:
    row = candidate("grey wings")
    row.grounding = Grounding(model="eye", revision="1", p_yes=p_yes, p_yes_contrast=contrast)
    ground.drop_unseen([row], threshold=0.5, gap=gap)
    assert (row.reason == "not_seen") == dropped


# filter


def test_neighbours_are_the_nearest_classes_by_their_pictures() -> None:
    vectors = np.eye(3, dtype=np.float32)[[0, 0, 1, 1, 2]]
    vectors[2] = [0.8, 0.6, 0]
    images = filtering.class_images(vectors, ["a", "a", "b", "b", "c"], n_neighbours=2)
    assert images.neighbours["a"] == ["b", "c"]
    assert images.neighbours["c"] == ["a", "b"]


def test_the_margin_is_the_lead_over_the_neighbours() -> None:
    images = filtering.class_images(np.eye(2, dtype=np.float32), ["heron", "ibis"], n_neighbours=1)
    rows = [candidate("grey wings"), candidate("a bill")]
    texts = TextVectors(np.array([[0.8, 0.6], [0.0, 1.0]], dtype=np.float32), [4, 99], [False, True])
    filtering.measure(rows, texts, images, model="clip")
    assert rows[0].clip is not None
    assert rows[0].clip.margin == pytest.approx(0.2, abs=1e-6)
    assert replace(rows[0].clip, margin=None) == Clip("clip", 0.8, neighbour="ibis", tokens=4, truncated=False)
    assert rows[1].clip is not None
    assert rows[1].clip.truncated
    filtering.drop_indistinct(rows, margin=0.0)
    assert [row.reason for row in rows] == [None, "not_distinctive"]


def test_where_nothing_is_left_nothing_is_measured() -> None:
    images = filtering.class_images(np.eye(2, dtype=np.float32), ["heron", "ibis"], n_neighbours=1)
    gone = candidate("grey wings")
    gone.drop("crosscheck", "no_agreement")
    filtering.measure([gone], TextVectors(np.zeros((0, 1), dtype=np.float32), [], []), images, model="clip")
    assert gone.clip is None


def test_the_margin_may_be_against_all_other_classes_or_against_the_one_asked_about() -> None:
    vectors = np.array([[1, 0], [0, 1], [0, -1]], dtype=np.float32)
    images = filtering.class_images(vectors, ["heron", "ibis", "kite"], n_neighbours=None)
    rows = [candidate("grey wings"), candidate("a bill")]
    rows[1].contrast_with = "kite"
    texts = TextVectors(np.array([[0.6, 0.8], [0.6, 0.8]], dtype=np.float32), [4, 4], [False, False])
    filtering.measure(rows, texts, images, model="clip")
    assert [row.clip.margin for row in rows if row.clip] == [pytest.approx(0.6), pytest.approx(0.6 + 0.8)]
    assert [row.clip.neighbour for row in rows if row.clip] == ["ibis", "kite"]


def test_neighbours_of_many_classes_are_those_of_a_plain_search() -> None:
    vectors = np.random.default_rng(0).standard_normal((2100, 8)).astype(np.float32)
    found = filtering.nearest_rows(vectors, 3)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    for row in (0, 1023, 1024, 2099):
        close = unit @ unit[row]
        close[row] = -2
        assert list(found[row]) == list(np.argsort(-close, kind="stable")[:3])


def test_the_fused_score_adds_up_what_was_measured() -> None:
    row = candidate("grey wings")
    weights = {"bias": -1.0, "agreement": 2.0, "p_yes": 3.0, "gap": 4.0, "margin": 5.0}
    assert filtering.fused(row, weights) == pytest.approx(1 / (1 + np.exp(1)))
    row.agreement = 0.5
    row.grounding = Grounding(model="eye", revision="1", p_yes=0.75, p_yes_contrast=0.25)
    row.clip = Clip(model="clip", similarity=0.3, margin=0.1, neighbour="ibis", tokens=3, truncated=False)
    value = -1 + 2 * 0.5 + 3 * 0.75 + 4 * 0.5 + 5 * 0.1
    assert filtering.fused(row, weights) == pytest.approx(1 / (1 + np.exp(-value)), abs=1e-6)
    filtering.drop_unlikely([row], weights, threshold=0.999)
    assert (row.stage, row.reason) == ("filter", "unlikely")


def test_what_lacks_a_part_of_the_evidence_is_not_judged_by_the_whole() -> None:
    row = candidate("grey wings")
    row.agreement = 0.1
    weights = {"bias": -9.0, "agreement": 2.0, "p_yes": 3.0, "gap": 0.0, "margin": 0.0}
    filtering.drop_unlikely([row], weights, threshold=0.5)
    assert row.kept
    row.grounding = Grounding(model="eye", revision="1", p_yes=0.2, p_yes_contrast=None)
    filtering.drop_unlikely([row], weights, threshold=0.5)
    assert row.reason == "unlikely"


def test_diversity_prefers_what_was_not_said_yet() -> None:
    rows = [candidate(text) for text in ("grey wings", "wings of grey", "long legs")]
    for row, agreement in zip(rows, (0.9, 0.8, 0.6), strict=True):
        row.agreement = agreement
    vectors = dict(zip([row.id for row in rows], np.array([[1, 0], [1, 0], [0, 1]], dtype=np.float32), strict=True))
    filtering.rank(rows, budget=2, vectors=vectors, diversity=0.5)
    assert [row.rank for row in rows] == [1, None, 2]
    for row in rows:
        row.stage = row.reason = row.rank = row.weight = None
    filtering.rank(rows, budget=2, vectors=vectors)
    assert [row.rank for row in rows] == [1, 2, None]


def test_the_budget_keeps_the_best_and_weights_them() -> None:
    rows = [candidate(text) for text in ("a", "b", "c")]
    for row, agreement in zip(rows, (0.5, 1.0, 0.25), strict=True):
        row.agreement = agreement
    filtering.rank(rows, budget=2)
    assert [row.reason for row in rows] == [None, None, "over_budget"]
    assert [(row.rank, row.weight) for row in rows] == [
        (2, pytest.approx(1 / 3)),
        (1, pytest.approx(2 / 3)),
        (None, None),
    ]


# compose


def test_a_class_vector_is_the_weighted_mean_and_a_summary_is_in_order_of_rank() -> None:
    rows = [candidate("grey wings"), candidate("long legs")]
    rows[0].rank, rows[0].weight, rows[1].rank, rows[1].weight = 2, 0.25, 1, 0.75
    entries = [ClassEntry("heron", "heron"), ClassEntry("ibis", "ibis", "a wader")]
    found = compose.compose(
        rows,
        entries,
        np.eye(2, dtype=np.float32),
        np.array([[1, 0], [0, 1]], dtype=np.float32),
        encoder=("clip", "1"),
        summaries={},
        summary="{name}: {descriptors}.",
        separator="; ",
    )
    assert found[0].summary == "heron: long legs; grey wings."
    assert found[0].embedding == pytest.approx(np.array([0.25, 0.75]) / np.hypot(0.25, 0.75), abs=1e-6)
    assert (found[1].summary, found[1].n_kept, found[1].embedding) == ("ibis: a wader", 0, [0.0, 1.0])


def test_votes_are_kept_with_their_judge() -> None:
    row = candidate("grey wings")
    row.votes.append(Vote(model="bob", revision="1", p_yes=0.5))
    row.drop("crosscheck", "no_agreement")
    assert row.row().votes[0].model == "bob"
