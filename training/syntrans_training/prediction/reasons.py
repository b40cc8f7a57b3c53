"""Why a picture got its name: nearest supports, shares of text and pictures, descriptors for and against, quarrels."""

from dataclasses import dataclass

import numpy as np

from syntrans_training.prediction.predictor import Predictions, Predictor
from syntrans_training.prediction.shapes import Float
from syntrans_training.prediction.space import unit

NEAREST, DESCRIPTORS = 3, 3
QUARREL = 0.2  # share of the pictures' own lead in the scores that text must pull the other way to be worth a line


@dataclass(frozen=True)
class Reasons:
    """Of one picture. `nearest`: row of a support and its cosine. `text_share` in [0, 1] of the lead of the first class
    over the second, by size. `speaks_for`, `speaks_against`: descriptors of the first class and their cosines.
    """

    nearest: tuple[tuple[int, float], ...]
    text_share: float
    speaks_for: tuple[tuple[str, float], ...]
    speaks_against: tuple[tuple[str, float], ...]
    disagreement: str


def explain(predictor: Predictor, predictions: Predictions) -> list[Reasons]:
    """The reasons of every prediction, in order."""
    directions, placed = predictions.directions, predictions.placed
    ways = unit(placed)
    nearest = ways @ unit(directions.place(predictor.supports)).T
    by_text, by_pictures = ways @ unit(directions.text).T, ways @ unit(directions.pictures).T
    scores, text_scores = directions.scores(placed), directions.text_scores(placed)
    descriptor_directions = _descriptor_directions(predictor)
    reasons = []
    for i, z in enumerate(ways):
        first, second = np.argsort(-predictions.probabilities[i])[:2]
        text = text_scores[i, first] - text_scores[i, second]
        whole = scores[i, first] - scores[i, second]
        share = abs(text) / max(abs(text) + abs(whole - text), 1e-9)
        for_, against = _descriptors(predictor, descriptor_directions, int(first), z)
        close = np.argsort(-nearest[i])[:NEAREST]
        reasons.append(
            Reasons(
                tuple((int(row), float(nearest[i, row])) for row in close),
                float(share),
                for_,
                against,
                _disagreement(predictor, by_text[i], by_pictures[i], text_scores[i], scores[i]),
            )
        )
    return reasons


def _descriptor_directions(predictor: Predictor) -> list[Float[np.ndarray, "_ r"]]:
    """Of every class: where each descriptor points, against the mean of the classes."""
    if predictor.texts is None or predictor.text_means is None or predictor.space.text is None:
        return []
    centre = predictor.text_means.mean(0)
    return [
        unit(predictor.space.text(each) - centre) if len(each) else np.zeros((0, len(centre)), np.float32)
        for each in predictor.texts.each
    ]


def _descriptors(
    predictor: Predictor, directions: list[Float[np.ndarray, "_ r"]], c: int, z: Float[np.ndarray, " r"]
) -> tuple[tuple[tuple[str, float], ...], tuple[tuple[str, float], ...]]:
    if not directions or predictor.texts is None:
        return (), ()
    cosines = directions[c] @ z
    pairs = sorted(zip(predictor.texts.descriptors[c], map(float, cosines), strict=True), key=lambda pair: -pair[1])
    for_ = tuple(pair for pair in pairs if pair[1] > 0)[:DESCRIPTORS]
    against = tuple(pair for pair in reversed(pairs) if pair[1] < 0)[:DESCRIPTORS]
    return for_, against


def _disagreement(
    predictor: Predictor,
    by_text: Float[np.ndarray, " c"],
    by_pictures: Float[np.ndarray, " c"],
    text_scores: Float[np.ndarray, " c"],
    scores: Float[np.ndarray, " c"],
) -> str:
    """One line where text and pictures prefer different classes and text has some weight in the scores; else nothing.

    Text alone often prefers another class and is wrong: what it weighs in this task says whether that is news.
    """
    if predictor.text_means is None or not len(predictor.supports):
        return ""
    text, pictures = int(by_text.argmax()), int(by_pictures.argmax())
    pull = text_scores[text] - text_scores[pictures]
    lead = scores[pictures] - scores[text] + pull  # of the pictures alone
    said, seen = predictor.classes[text], predictor.classes[pictures]
    return f"text says {said}, pictures say {seen}" if text != pictures and pull > QUARREL * max(lead, 0) else ""
