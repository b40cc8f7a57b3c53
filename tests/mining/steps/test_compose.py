"""A class's vector and its summary."""

from __future__ import annotations

import numpy as np
import pytest
from candidates import candidate

from syntrans.classes.entries import ClassEntry
from syntrans_mining.steps import compose


def test_a_class_vector_is_the_weighted_mean_and_a_summary_is_in_order_of_rank() -> None:
    rows = [candidate("grey wings"), candidate("long legs")]
    rows[0].rank, rows[0].weight, rows[1].rank, rows[1].weight = 2, 0.25, 1, 0.75
    entries = [ClassEntry("heron", "heron"), ClassEntry("ibis", "ibis", "a wader")]
    composed = compose.compose(
        rows,
        entries,
        np.eye(2, dtype=np.float32),
        np.array([[1, 0], [0, 1]], dtype=np.float32),
        encoder=("clip", "1"),
        summaries={},
        summary="{name}: {descriptors}.",
        separator="; ",
    )
    assert composed[0].summary == "heron: long legs; grey wings."
    assert composed[0].embedding == pytest.approx(np.array([0.25, 0.75]) / np.hypot(0.25, 0.75), abs=1e-6)
    assert (composed[1].summary, composed[1].n_kept, composed[1].embedding) == ("ibis: a wader", 0, [0.0, 1.0])
