"""A text is worth pictures where the supports speak for it, and nothing where they do not."""

import numpy as np
import pytest

from syntrans_training.prediction.space import unit
from syntrans_training.prediction.text_pictures import TEXT_PICTURES, text_pictures

C, D = 5, 20
RNG = np.random.default_rng(0)
TEXTS = unit(RNG.normal(size=(C, D)).astype(np.float32))


def supports(noise: float, shots: int = 1) -> tuple[np.ndarray, np.ndarray]:
    labels = np.repeat(np.arange(C), shots)
    noisy = TEXTS[labels] + noise * np.random.default_rng(1).normal(size=(len(labels), D)).astype(np.float32)
    return unit(noisy), labels


def test_texts_that_fit_are_worth_nearly_all_that_they_can_be() -> None:
    assert 0.9 * TEXT_PICTURES < text_pictures(*supports(0.05), TEXTS) <= TEXT_PICTURES


def test_texts_of_other_classes_are_worth_nothing() -> None:
    pictures, labels = supports(0.05)
    assert text_pictures(pictures, labels, np.roll(TEXTS, 1, 0)) == 0


def test_the_less_the_pictures_speak_for_them_the_less_texts_are_worth() -> None:
    worth = [text_pictures(*supports(noise, shots=3), TEXTS) for noise in (0.05, 0.5, 2.0)]
    assert worth == sorted(worth, reverse=True)


def test_without_a_picture_the_prior_stands() -> None:
    assert text_pictures(np.zeros((0, D), np.float32), np.zeros(0, np.int64), TEXTS) == TEXT_PICTURES


def test_the_order_of_the_pictures_does_not_count() -> None:
    pictures, labels = supports(0.5, shots=2)
    order = np.random.default_rng(2).permutation(len(labels))
    assert text_pictures(pictures[order], labels[order], TEXTS) == pytest.approx(text_pictures(pictures, labels, TEXTS))
