"""Text encoders whatever their model: what they refuse."""

import numpy as np
import pytest

from syntrans.errors import ModelLoadError
from syntrans_training.text.encoders import TextEncoder, TextModel


def test_vectors_that_are_not_finite_end_the_run_in_one_line_and_are_not_kept(tmp_path):
    def encode(texts):
        return np.array([[np.nan, 1.0] if text == "wings" else [1.0, 0.0] for text in texts], np.float32)

    encoder = TextEncoder("tiny", "r", lambda: TextModel(encode))
    with pytest.raises(ModelLoadError, match="not finite for 1 of 2 texts, the first is 'wings'") as raised:
        encoder.encode(["a beak", "wings"], cache=tmp_path)
    assert "\n" not in str(raised.value)
    assert not list(tmp_path.rglob("*.parquet"))
