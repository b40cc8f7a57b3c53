"""What CLIP measures, the fused score, and which statements are kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from candidates import candidate

from syntrans_mining.engines.base import TextVectors
from syntrans_mining.steps import filter as filtering
from syntrans_mining.steps.candidate import Clip, Grounding


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
    neighbours = filtering.nearest_rows(vectors, 3)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    for row in (0, 1023, 1024, 2099):
        close = unit @ unit[row]
        close[row] = -2
        assert list(neighbours[row]) == list(np.argsort(-close, kind="stable")[:3])


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
