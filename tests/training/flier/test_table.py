"""The table of a FLIER evaluation: whole on a terminal of 80 columns and in a pipe."""

from typing import Any

import pytest

from syntrans.views.labels import FLIER_LABELS
from syntrans_training.flier.rows import EPISODE_ROWS, FLIER, GROUPS, IMAGE_BRANCH, PIXELS
from syntrans_training.flier.table import render, verdict

SHOTS = ("1", "2", "4", "8", "16")


@pytest.fixture
def summary() -> dict[str, Any]:
    value, lead = {"mean": 72.31, "half_width": 1.25}, {"mean": 12.31, "half_width": 1.25, "verdict": "better"}
    pairs = [f"{FLIER} - {row}" for row in FLIER_LABELS if row != FLIER]
    assert f"{FLIER} - {PIXELS}" in pairs
    return {
        "protocol": {"ways": 100, "test": 3000, "seeds": 3},
        "groups": GROUPS,
        "data": {"looks_at_novel": 2},
        "results": {k: dict.fromkeys(FLIER_LABELS, value) for k in SHOTS},
        "contrasts": {k: dict.fromkeys(pairs, lead) for k in SHOTS},
    }


def test_every_cell_is_there_on_80_columns_and_in_a_pipe(summary: dict[str, Any]) -> None:
    narrow, piped = render(summary, width=80), render(summary)
    assert max(map(len, narrow.splitlines())) <= 80
    for text in (narrow, piped):
        assert "…" not in text
        assert text.count("72.3 ±1.2") == len(SHOTS) * len(FLIER_LABELS)
        assert " ".join(text.split()).count("Latents add something") == 1
    assert all(narrow.count(label) >= len(SHOTS) for label in FLIER_LABELS.values())
    head = next(line.split() for line in piped.splitlines() if line.strip().startswith("method"))
    assert [word for word in head if word.endswith("-shot")] == [f"{k}-shot" for k in SHOTS]


def test_a_lead_over_pixels_that_the_image_branch_has_alone_is_not_called_the_latents(summary: dict[str, Any]) -> None:
    assert verdict(summary).startswith("Latents add something over the same pictures as pixels at 1, 2, 4, 8, 16 shots")
    level = {"mean": 0.1, "half_width": 0.7, "verdict": "not distinguishable at 95 %"}
    for k in SHOTS:
        summary["contrasts"][k] = summary["contrasts"][k] | {f"{FLIER} - {IMAGE_BRANCH}": level}
    assert verdict(summary).startswith("Latents add nothing over the same imagined pictures as pixels")


def test_a_table_of_episodes_says_so_and_has_the_rows_that_were_run(summary: dict[str, Any]) -> None:
    summary["protocol"] = {"ways": 5, "queries": 15, "episodes": 200}
    summary["groups"] = {row: GROUPS[row] for row in (*EPISODE_ROWS, IMAGE_BRANCH)}
    shown = " ".join(render(summary, width=80).split())
    assert "200 frozen 5-way episodes with 15 queries a class" in shown
    assert "over episodes, differences paired by episode" in shown
    assert FLIER_LABELS[PIXELS] in shown
    assert FLIER_LABELS["latents_noise"] not in shown
