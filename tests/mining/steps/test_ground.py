"""What the VLM does not see in the pictures goes."""

from __future__ import annotations

import pytest
from candidates import candidate

from syntrans_mining.steps import ground
from syntrans_mining.steps.candidate import Grounding


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
