"""Class directions of `predict` are sums of what supports, texts and unlabelled pictures say."""

import numpy as np
import pytest

from syntrans_training.prediction import class_means
from syntrans_training.prediction.class_means import QUERY_PICTURES, beliefs, class_directions, softmax
from syntrans_training.prediction.space import unit

D = 8
MEANS = unit(np.random.default_rng(0).normal(size=(3, D)).astype(np.float32))


def pictures(n: int, *, noise: float = 0.2, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    labels = np.repeat(np.arange(3), n)
    noisy = MEANS[labels] + noise * np.random.default_rng(seed).normal(size=(len(labels), D))
    return unit(noisy.astype(np.float32)), labels


def test_pictures_are_nearest_to_their_own_class() -> None:
    classes = class_directions(*pictures(5), None, 3)
    queries, labels = pictures(10, seed=2)
    assert (classes.scores(classes.place(queries)).argmax(1) == labels).mean() > 0.9


def test_the_order_of_the_supports_does_not_count() -> None:
    supports, labels = pictures(3)
    order = np.random.default_rng(3).permutation(len(labels))
    shuffled = class_directions(supports[order], labels[order], None, 3)
    assert shuffled.unit == pytest.approx(class_directions(supports, labels, None, 3).unit, abs=1e-5)


def test_a_class_without_a_picture_has_its_text() -> None:
    supports, labels = pictures(2)
    some = labels != 2
    classes = class_directions(supports[some], labels[some], MEANS, 3)
    assert not classes.pictures[2].any()
    assert classes.text[2].any()
    queries, truth = pictures(10, seed=2)
    answers = classes.scores(classes.place(queries)).argmax(1)
    assert (answers[truth == 2] == 2).mean() > 0.8


@pytest.mark.parametrize("n", [1, 2])
def test_few_pictures_are_named_by_text_alone(n: int) -> None:
    texts = unit(np.eye(4, 8) + 0.1)
    directions = class_directions(np.zeros((0, 8), np.float32), np.zeros(0, np.int64), texts, 4)
    shown = unit(texts[:n] + 0.05)
    moved = directions.with_queries(shown)
    assert moved.scores(moved.place(shown)).argmax(1).tolist() == list(range(n))
    assert np.ptp(moved.scores(moved.place(shown))[0]) > 0.1


def test_without_text_no_score_is_owed_to_it() -> None:
    classes = class_directions(*pictures(2), None, 3)
    assert classes.k0 == 0
    assert not classes.text_scores(classes.place(pictures(2, seed=2)[0])).any()


def test_what_is_owed_to_text_and_the_rest_make_the_score() -> None:
    classes = class_directions(*pictures(1), MEANS, 3)
    placed = classes.place(pictures(2, seed=2)[0])
    lengths = np.linalg.norm(classes.pictures + classes.text, axis=1)
    rest = placed @ classes.pictures.T / lengths
    assert classes.text_scores(placed) + rest == pytest.approx(classes.scores(placed), abs=1e-5)


def test_a_left_out_support_meets_its_class_without_itself() -> None:
    supports, labels = pictures(2)
    classes = class_directions(supports, labels, None, 3)
    with_itself = classes.scores(classes.place(supports))
    left_out = classes.left_out_scores(supports, labels)
    rows = np.arange(len(labels))
    assert (left_out[rows, labels] < with_itself[rows, labels]).all()
    others = np.ones_like(left_out, bool)
    others[rows, labels] = False
    assert left_out[others] == pytest.approx(with_itself[others])


def test_unlabelled_pictures_move_a_class_towards_themselves() -> None:
    classes = class_directions(*pictures(1, noise=0.4), None, 3)
    queries, labels = pictures(30, seed=2)
    before, after = (
        (one.scores(one.place(queries)).argmax(1) == labels).mean() for one in (classes, classes.with_queries(queries))
    )
    assert after >= before


def test_pictures_of_no_weight_change_nothing() -> None:
    classes = class_directions(*pictures(2), None, 3)
    moved = classes.with_queries(pictures(5, seed=2)[0], 0.0)
    assert moved.unit == pytest.approx(classes.unit, abs=1e-6)


def test_unlabelled_pictures_are_never_worth_more_than_so_many_supports() -> None:
    _, worth = beliefs(np.random.default_rng(0).uniform(-1, 1, (5000, 3)), 1.0)
    assert (worth < QUERY_PICTURES).all()


def test_a_support_that_is_alone_cannot_be_left_out() -> None:
    assert class_means.testable(np.array([0, 0, 2]), 4).tolist() == [True, True, False]


def test_a_softmax_is_not_troubled_by_large_numbers() -> None:
    assert softmax(np.array([[1e4, 1e4, -1e4]])).tolist() == [[0.5, 0.5, 0.0]]
