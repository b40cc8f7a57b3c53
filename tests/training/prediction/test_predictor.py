"""The core of predict, on features whose truth is known."""

from pathlib import Path

import numpy as np
import pytest

from syntrans.errors import InputError, UsageError
from syntrans_training.prediction import novelty
from syntrans_training.prediction.calibration import calibrate
from syntrans_training.prediction.class_means import Directions, class_directions
from syntrans_training.prediction.inputs.knowledge import ClassTexts
from syntrans_training.prediction.inputs.support_check import SHOWN, check_supports
from syntrans_training.prediction.predictor import Settings, fit
from syntrans_training.prediction.reasons import explain
from syntrans_training.prediction.space import Space, fit_space, fit_text_map, load_space, save_space, unit
from syntrans_training.prediction.text_pictures import TEXT_PICTURES, text_pictures

DIM = 32


def task(ways=5, shots=3, queries=30, noise=0.25, seed=0, text_noise=0.15):
    """Unit class means, features around them, texts near them."""
    rng = np.random.default_rng(seed)
    means = unit(rng.normal(size=(ways, DIM)))
    labels, truth = np.repeat(np.arange(ways), shots), np.repeat(np.arange(ways), queries)
    supports = means[labels] + noise * rng.normal(size=(len(labels), DIM))
    pictures = means[truth] + noise * rng.normal(size=(len(truth), DIM))
    text = unit(means + text_noise * rng.normal(size=means.shape))
    return supports.astype(np.float32), labels, pictures.astype(np.float32), truth, text


def texts_of(vectors, descriptors=None):
    names = tuple(f"class {i}" for i in range(len(vectors)))
    told = descriptors or ((),) * len(vectors)
    each = tuple(np.repeat(v[None], len(d), 0) for v, d in zip(vectors, told, strict=True))
    return ClassTexts(names, told, vectors, each)


SAME = Space(text=lambda vectors: vectors)


def answer(supports, labels, pictures, text=None, space=SAME, **settings):
    ways = len(text) if text is not None else labels.max() + 1
    names = tuple(f"class {i}" for i in range(ways))
    predictor = fit(supports, labels, names, space, None if text is None else texts_of(text), Settings(**settings))
    return predictor, predictor.predict(pictures)


def test_one_picture_a_class_is_enough_to_name_most_pictures() -> None:
    supports, labels, pictures, truth, _ = task(shots=1)
    _, answers = answer(supports, labels, pictures, inductive=True)
    assert (answers.labels == truth).mean() > 0.6
    assert np.allclose(answers.probabilities.sum(1), 1, atol=1e-5)


def test_pictures_that_are_named_together_are_named_better() -> None:
    alone, together = [], []
    for seed in range(8):
        supports, labels, pictures, truth, _ = task(shots=1, seed=seed)
        alone.append((answer(supports, labels, pictures, inductive=True)[1].labels == truth).mean())
        together.append((answer(supports, labels, pictures)[1].labels == truth).mean())
    assert np.mean(together) > np.mean(alone) + 0.03


def test_inductive_answers_do_not_depend_on_the_other_pictures() -> None:
    supports, labels, pictures, _, text = task()
    _, whole = answer(supports, labels, pictures, text, inductive=True)
    _, one = answer(supports, labels, pictures[7:8], text, inductive=True)
    assert np.allclose(whole.probabilities[7], one.probabilities[0], atol=1e-5)


def test_text_that_fits_helps_with_one_picture_and_text_of_other_classes_does_no_harm() -> None:
    gain, harm = [], []
    for seed in range(12):
        supports, labels, pictures, truth, text = task(ways=8, shots=1, noise=0.3, seed=seed)
        plain = (answer(supports, labels, pictures, inductive=True)[1].labels == truth).mean()
        gain.append((answer(supports, labels, pictures, text, inductive=True)[1].labels == truth).mean() - plain)
        wrong = np.roll(text, 1, 0)
        harm.append(plain - (answer(supports, labels, pictures, wrong, inductive=True)[1].labels == truth).mean())
    assert np.mean(gain) > 0.02
    assert np.mean(harm) < 0.01


def test_text_is_worth_less_than_its_prior_the_less_the_supports_agree_with_it() -> None:
    supports, labels, _, _, text = task(ways=8)
    fitting = text_pictures(unit(supports), labels, text)
    assert 0.9 * TEXT_PICTURES < fitting < TEXT_PICTURES
    assert text_pictures(unit(supports), labels, np.roll(text, 1, 0)) < 0.2 * TEXT_PICTURES
    assert text_pictures(supports[:0], labels[:0], text) == TEXT_PICTURES


def test_a_class_with_text_and_no_picture_is_found() -> None:
    supports, labels, pictures, truth, text = task(shots=3)
    kept = labels != 4
    _, answers = answer(supports[kept], labels[kept], pictures, text)
    assert (answers.labels[truth == 4] == 4).mean() > 0.8


def test_no_picture_at_all_and_texts_name_pictures_above_chance() -> None:
    _, _, pictures, truth, text = task()
    _, answers = answer(np.zeros((0, DIM), np.float32), np.zeros(0, np.int64), pictures, text)
    assert (answers.labels == truth).mean() > 0.6


def test_prediction_sets_hold_the_class_as_often_as_they_promise() -> None:
    covered, promised = [], []
    for seed in range(30):
        supports, labels, pictures, truth, _ = task(ways=5, shots=6, noise=0.45, seed=seed)
        _, answers = answer(supports, labels, pictures, coverage=0.9)
        covered.append(answers.members[np.arange(len(truth)), truth].mean())
        promised.append(answers.calibration.promised)
    assert set(promised) == {28 / 31}  # the first of 1/31, 2/31 ... that is 0.9 or more
    assert np.mean(covered) == pytest.approx(0.9, abs=0.03)


def test_few_supports_promise_what_they_can_and_one_a_class_nothing() -> None:
    supports, labels, pictures, _, _ = task(ways=5, shots=3)
    assert answer(supports, labels, pictures)[1].calibration.promised == pytest.approx(15 / 16)
    supports, labels, pictures, _, _ = task(ways=2, shots=2)
    assert answer(supports, labels, pictures)[1].calibration.promised is None
    supports, labels, pictures, _, _ = task(shots=1)
    assert answer(supports, labels, pictures)[1].calibration.promised is None


def test_sets_of_an_easy_task_cover_what_they_promise_and_no_more() -> None:
    covered, right = [], []
    for seed in range(20):
        supports, labels, pictures, truth, _ = task(ways=5, shots=6, noise=0.2, seed=seed)
        _, answers = answer(supports, labels, pictures, coverage=0.8)
        covered.append(answers.members[np.arange(len(truth)), truth].mean())
        right.append((answers.labels == truth).mean())
    assert np.mean(right) > 0.95
    assert np.mean(covered) == pytest.approx(25 / 31, abs=0.04)


def test_without_a_guarantee_the_likeliest_class_is_in_every_set() -> None:
    supports, labels, pictures, _, _ = task(shots=1, noise=0.5)
    _, answers = answer(supports, labels, pictures)
    assert answers.members[np.arange(len(pictures)), answers.labels].all()


def test_pictures_of_an_unknown_class_are_found_better_when_they_are_named_together() -> None:
    from sklearn.metrics import roc_auc_score

    areas: dict[str, list[float]] = {"alone": [], "together": []}
    space = Space(background=unit(np.random.default_rng(1).normal(size=(40, DIM))))
    for seed in range(8):
        supports, labels, pictures, _, _ = task(ways=8, shots=1, noise=0.3, seed=seed)
        known = labels < 5
        mixed, truth = pictures, np.repeat(np.arange(8) < 5, 30)
        for name, inductive in (("alone", True), ("together", False)):
            _, said = answer(supports[known], labels[known], mixed, space=space, inductive=inductive)
            areas[name].append(roc_auc_score(truth, said.verdict.familiarity))
    assert np.mean(areas["together"]) > np.mean(areas["alone"]) + 0.02


def test_like_pictures_share_their_familiarity_and_one_without_its_like_keeps_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(novelty, "BLOCK", 4)
    likes = unit(np.eye(DIM)[[0] * 6] + 0.01 * np.random.default_rng(0).normal(size=(6, DIM)))
    placed = np.concatenate([likes, np.eye(DIM)[[1]]])
    scores = np.array([1, 3, 1, 3, 1, 3, 9], np.float32)
    shared = novelty._shared(scores, placed)
    assert shared[6] == pytest.approx(9)
    assert np.allclose(shared[:6], scores[:6] / 2 + (12 - scores[:6]) / 10, atol=0.01)
    assert novelty._shared(scores[:1], placed[:1]) == pytest.approx(1)


def test_hard_tasks_get_flatter_probabilities_than_easy_ones() -> None:
    scales = []
    for noise in (0.05, 0.6):
        supports, labels, _, _, _ = task(ways=8, shots=6, noise=noise)
        z = unit(supports)
        scales.append(calibrate(class_directions(z, labels, None, 8), z, labels, 0.9).scale)
    assert scales[0] > scales[1]


def test_pictures_of_no_class_are_found_where_supports_say_what_is_usual() -> None:
    supports, labels, pictures, _, _ = task(ways=5, shots=6, noise=0.1)
    strange = unit(np.random.default_rng(9).normal(size=(50, DIM)))
    _, answers = answer(supports, labels, np.concatenate([pictures, strange]))
    assert answers.none[len(pictures) :].mean() > 0.9
    assert answers.none[: len(pictures)].mean() < 0.2
    supports, labels, pictures, _, _ = task(shots=1)
    assert answer(supports, labels, pictures)[1].verdict.threshold is None


def test_left_out_supports_are_compared_with_the_others_of_their_class() -> None:
    z = unit(np.eye(4, dtype=np.float32)[[0, 1, 2, 3]])
    directions = class_directions(z, np.array([0, 0, 1, 1]), None, 2)
    cosines = directions.left_out_scores(z, np.array([0, 0, 1, 1]))
    placed = directions.place(z)
    assert cosines[0, 0] == pytest.approx(float(placed[0] @ unit(z[1] - directions.centre)), abs=1e-5)


def test_reasons_name_the_nearest_support_the_descriptors_and_a_quarrel() -> None:
    supports, labels, pictures, truth, text = task(shots=2, noise=0.1)
    names = tuple(f"class {i}" for i in range(5))
    told = texts_of(text, tuple((f"looks like {i}",) for i in range(5)))
    predictor = fit(supports, labels, names, SAME, told, Settings())
    reasons = explain(predictor, predictor.predict(pictures))
    assert all(labels[why.nearest[0][0]] == c for why, c in zip(reasons, truth, strict=True))
    assert reasons[0].speaks_for[0][0] == "looks like 0"
    assert 0 < reasons[0].text_share < 1
    wrong = fit(supports, labels, names, SAME, texts_of(np.roll(text, 1, 0)), Settings())
    directions = wrong.predict(pictures).directions
    assert isinstance(directions, Directions)
    assert directions.k0 < 0.1


def test_one_class_and_a_class_of_which_nothing_is_known_are_refused() -> None:
    supports, labels, _, _, _ = task(shots=1)
    with pytest.raises(InputError, match="at least two"):
        fit(supports[:1], labels[:1], ("only",), Space(), None, Settings())
    with pytest.raises(InputError, match="'c' has no readable picture"):
        fit(supports[:2], labels[:2], ("a", "b", "c"), Space(), None, Settings())
    with pytest.raises(UsageError, match="between 0 and 1"):
        Settings(coverage=1.0)


def test_a_fitted_space_brings_unseen_classes_apart_and_survives_its_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    common = rng.normal(size=(DIM, DIM)) * np.linspace(3, 0.2, DIM)  # variation that says nothing about classes
    means = 2 * rng.normal(size=(40, DIM))
    labels = np.repeat(np.arange(40), 30)
    x = (means[labels] + rng.normal(size=(len(labels), DIM)) @ common).astype(np.float32)
    seen = labels < 30
    space, in_space = fit_space(x[seen], labels[seen])
    texts = rng.normal(size=(30, 8)).astype(np.float32)
    space = Space(space.mean, space.transform, space.background, fit_text_map(texts, in_space), {"made": "here"})

    def accuracy(s):
        y = np.repeat(np.arange(10), 2)
        rows = np.concatenate([np.flatnonzero(labels == c)[:2] for c in range(30, 40)])
        rest = np.setdiff1d(np.flatnonzero(~seen), rows)
        return (answer(x[rows], y, x[rest], space=s, inductive=True)[1].labels == labels[rest] - 30).mean()

    assert accuracy(space) > accuracy(Space()) + 0.05
    save_space(tmp_path / "space.safetensors", space)
    again = load_space(tmp_path / "space.safetensors")
    assert again.note == {"made": "here"}
    assert np.allclose(again.project(x[:5]), space.project(x[:5]), atol=5e-3)


def test_the_shipped_bridge_fits_its_card() -> None:
    space = load_space()
    assert len(space.note["classes"]) == 100
    assert space.transform.shape == (576, 576)
    assert space.text(np.zeros((2, 384), np.float32)).shape == (2, 576)
    assert np.allclose(np.linalg.norm(space.background, axis=1), 1, atol=1e-2)


def test_queries_of_a_single_class_do_not_move_the_others() -> None:
    supports, labels, pictures, truth, _ = task(shots=1, noise=0.08)
    directions = class_directions(unit(supports), labels, None, 5)
    moved = directions.with_queries(unit(pictures[truth == 0]))
    share = np.linalg.norm(moved.queries, axis=1)
    assert 0.8 < share[0] <= 1.5
    assert share[1:].max() < share[0] / 2


def test_the_support_check_says_what_is_odd() -> None:
    supports, labels, _, _, _ = task(ways=4, shots=4, noise=0.05)
    z = unit(supports)
    labels = labels.copy()
    labels[3] = 1  # a picture of class 0 in the folder of class 1
    z[9] = unit(z[8] + 1e-3)
    names, origins = ("a", "b", "c", "d"), [f"{i}.jpg" for i in range(16)]
    hashes = [str(i) for i in range(16)]
    hashes[15] = hashes[0]
    said = "\n".join(check_supports(z, labels, names, origins, hashes))
    assert "odd one out in b: 3.jpg looks like a" in said
    assert "nearly the same picture in c: 8.jpg and 9.jpg" in said
    assert "the same picture in a and d: 0.jpg and 15.jpg" in said
    assert "few pictures: x (1)" in "\n".join(check_supports(z[:2], np.array([0, 1]), ("x", "y"), origins, ["1", "2"]))


def test_class_pairs_that_look_alike_are_said() -> None:
    rng = np.random.default_rng(0)
    means = unit(rng.normal(size=(4, DIM)))
    means[1] = unit(means[0] + 0.3 * means[1])
    labels = np.repeat(np.arange(4), 3)
    z = unit(means[labels] + 0.02 * rng.normal(size=(12, DIM)))
    said = check_supports(z, labels, tuple("abcd"), [str(i) for i in range(12)], [str(i) for i in range(12)])
    assert any(line.startswith("a and b look alike") for line in said)


def test_of_many_warnings_of_a_kind_the_worst_are_shown_and_the_rest_counted() -> None:
    rng, n = np.random.default_rng(0), 20
    kinds = np.repeat(np.eye(2, 8), n // 2, 0)  # all classes of a half look alike
    z = unit(kinds + 0.05 * rng.normal(size=kinds.shape) * np.arange(1, n + 1)[:, None] / n)
    names = [f"c{i}" for i in range(n)]
    said = check_supports(z, np.arange(n), names, names, names)
    alike = [float(line.split("cosine ")[1][:4]) for line in said if "look alike" in line and "cosine" in line]
    assert len(alike) == SHOWN
    assert alike == sorted(alike, reverse=True)
    assert any(line == "and 80 more pairs of classes that look alike" for line in said)
