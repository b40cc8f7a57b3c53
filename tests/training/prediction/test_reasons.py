"""What is said of why a picture got its name."""

import numpy as np

from syntrans_training.prediction.inputs.knowledge import ClassTexts
from syntrans_training.prediction.predictor import Settings, fit
from syntrans_training.prediction.reasons import explain
from syntrans_training.prediction.space import Space

WAYS, DIM = 4, 8
MEANS = np.eye(DIM, dtype=np.float32)[:WAYS]


def disagreements(picture: np.ndarray, shots: int) -> list[str]:
    """Of a picture, where supports and texts of four classes lie on the axes of a space."""
    names = tuple("abcd")
    texts = ClassTexts(names, ((),) * WAYS, MEANS, ())
    rows = np.repeat(np.arange(WAYS), shots)
    supports = MEANS[rows] + 0.3 * np.eye(DIM, dtype=np.float32)[WAYS + rows]  # texts do not know the other axes
    predictor = fit(supports, rows, names, Space(text=lambda vectors: vectors), texts, Settings(inductive=True))
    return [why.disagreement for why in explain(predictor, predictor.predict(picture[None].astype(np.float32)))]


def test_text_that_prefers_another_class_with_little_weight_is_no_disagreement() -> None:
    picture = 0.45 * MEANS[0] + 0.35 * MEANS[1] + np.eye(DIM)[WAYS + 1]
    assert disagreements(picture, shots=1) != [""]
    assert disagreements(picture, shots=50) == [""]
