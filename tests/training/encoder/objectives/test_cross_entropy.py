"""Cross-entropy alone."""

import pytest
from still_pictures import encoder, losses, pictures

from syntrans_training.encoder.objectives.cross_entropy import CrossEntropy


def test_cross_entropy_of_a_new_head_is_about_that_of_a_guess() -> None:
    assert losses(CrossEntropy(encoder(), pictures(), n_classes=3))["cross_entropy"].item() == pytest.approx(1.1, abs=1)
