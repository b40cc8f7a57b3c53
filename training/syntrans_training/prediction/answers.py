"""Answers as rows: one a picture, in one order of columns for every file form; and the counts of a run."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from syntrans_training.prediction.encoders.pipeline import Encoded, Photo
from syntrans_training.prediction.predictor import Predictions, Predictor
from syntrans_training.prediction.reasons import Reasons

TOP = 3
NAMED, UNSURE, NONE, BROKEN = "named", "unsure", "none of these", "broken"


@dataclass(frozen=True)
class Answer:
    """What is said of one picture. `status`: named (one class in its prediction set), unsure, none of these, broken.

    `guarantee`: share of pictures whose class is promised to be in `prediction_set`; None where nothing is promised.
    """

    path: str
    status: str
    name: str | None = None
    probability: float | None = None
    top: tuple[tuple[str, float], ...] = ()
    prediction_set: tuple[str, ...] = ()
    guarantee: float | None = None
    nearest: tuple[tuple[str, float], ...] = ()
    text_share: float | None = None
    speaks_for: tuple[tuple[str, float], ...] = ()
    speaks_against: tuple[tuple[str, float], ...] = ()
    disagreement: str = ""
    error: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain values, `class` for the name; in the order of the columns."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {("class" if key == "name" else key): value for key, value in values.items()}


def answers(
    photos: Sequence[Photo],
    encoded: Encoded,
    predictor: Predictor,
    predictions: Predictions,
    reasons: Sequence[Reasons],
    support_origins: Sequence[str],
) -> list[Answer]:
    """One answer a photo, in order; a broken one with its error."""
    place = {row: i for i, row in enumerate(encoded.rows)}
    rows = []
    for row, photo in enumerate(photos):
        if row in encoded.broken:
            rows.append(Answer(photo.origin, BROKEN, error=encoded.broken[row]))
        else:
            i = place[row]
            rows.append(_answer(photo.origin, predictor, predictions, i, reasons[i], support_origins))
    return rows


def _answer(
    origin: str, predictor: Predictor, predictions: Predictions, i: int, why: Reasons, support_origins: Sequence[str]
) -> Answer:
    p = predictions.probabilities[i]
    order = (-p).argsort(kind="stable")
    members = tuple(predictor.classes[c] for c in order if predictions.members[i, c])
    status = NONE if predictions.none[i] else NAMED if len(members) == 1 else UNSURE
    return Answer(
        origin,
        status,
        predictor.classes[order[0]],
        round(float(p[order[0]]), 4),
        tuple((predictor.classes[c], round(float(p[c]), 4)) for c in order[:TOP]),
        members,
        None if predictions.calibration.promised is None else round(predictions.calibration.promised, 4),
        tuple((support_origins[row], round(cosine, 3)) for row, cosine in why.nearest),
        round(why.text_share, 3),
        tuple((text, round(cosine, 3)) for text, cosine in why.speaks_for),
        tuple((text, round(cosine, 3)) for text, cosine in why.speaks_against),
        why.disagreement,
    )


def counts(given: Sequence[Answer]) -> dict[str, Any]:
    """Pictures by status, and the named ones by class, the largest first."""
    named = Counter(answer.name for answer in given if answer.status == NAMED)
    by_status = Counter(answer.status for answer in given)
    return {
        "pictures": len(given),
        **{status.replace(" ", "_"): by_status[status] for status in (NAMED, UNSURE, NONE, BROKEN)},
        "classes": dict(named.most_common()),
    }


def terms(predictor: Predictor, predictions: Predictions) -> list[str]:
    """What the answers promise, in lines for a person."""
    calibration = predictions.calibration
    seen, n = predictor.counts, calibration.left_out
    each = f"{seen.max()}" if seen.min() == seen.max() else f"{seen.min()} to {seen.max()}"
    lines = [f"{len(predictor.classes)} classes, {each} {'picture' if each == '1' else 'pictures'} each"]
    if calibration.promised is not None:
        lines.append(f"prediction sets hold the class of {calibration.promised:.0%} of pictures like the {n} supports")
    elif n == 0:
        lines.append("prediction sets carry no guarantee: no class has a second picture to test with; give two or more")
    else:
        lines.append(f"prediction sets carry no guarantee: {n} supports are too few to promise anything; give more")
    if predictions.verdict.threshold is None:
        needs = "more supports, or the embedded encoder" if seen.any() else "pictures of the classes"
        lines.append(f"pictures of no class are not found: that needs {needs}")
    return lines
