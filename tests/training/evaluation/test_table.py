"""The table of a summary fits 110 columns with every row it can have."""

from typing import Any

import pytest

from syntrans.views.labels import LABELS
from syntrans_training.evaluation.table import render

VISUAL = {
    "plain_prototypes",
    "euclidean",
    "simpleshot",
    "logistic",
    "ridge",
    "cosine",
    "gidaris",
    "gidaris_other",
    "visual_only",
}
CONTROL = {"no_text", "name_only", "classname_free", "raw", "random_words", "shuffled", "half_shuffled"}


def number(mean=81.23):
    return {"mean": mean, "half_width": 0.45, "image_half_width": 1.25, "alpha": 0.4}


@pytest.fixture
def summary() -> dict[str, Any]:
    names = list(LABELS)
    other = [name for name in names if name not in ("visual_only", "syntrans")]
    pairs = [f"{name} - visual_only" for name in other] + [f"syntrans - {name}" for name in other]
    return {
        "episodes": {"ways": 5, "queries": 15, "episodes": 2000, "dropped": {"1": 0, "5": 0}},
        "data": {"seen_by_mining": 7, "looks_at_novel": 2},
        "groups": {
            name: "visual" if name in VISUAL else "control" if name in CONTROL else "semantic" for name in names
        },
        "results": {k: {name: number() for name in names} for k in ("1", "5")},
        "contrasts": {k: {pair: number(-12.34) for pair in pairs} for k in ("1", "5")},
    }


def test_every_row_stands_in_its_group_and_nothing_is_cut(summary: dict[str, Any]) -> None:
    lines = render(summary, width=110).splitlines()
    assert max(map(len, lines)) <= 110
    assert len(lines) < 54
    assert "…" not in "".join(lines)
    text = "\n".join(lines)
    assert all(label in text for label in LABELS.values())


def test_a_row_stands_below_the_heading_of_its_group_wherever_it_comes_in_the_summary(summary: dict[str, Any]) -> None:
    for k, rows in summary["results"].items():
        summary["results"][k] = dict(reversed(rows.items()))
    place: dict[str, str] = {}
    headings = ("pictures alone", "pictures and text", "SynTrans, with other text")
    for line in map(str.strip, render(summary, width=110).splitlines()):
        label = line.partition("  ")[0]
        place |= {"heading": label} if label in headings else {label: place.get("heading")}
    expected = dict(zip(("visual", "semantic", "control"), headings, strict=True))
    assert {name: place[label] for name, label in LABELS.items()} == {
        name: expected[group] for name, group in summary["groups"].items()
    }


def test_on_80_columns_each_number_of_shots_gets_a_table_and_no_cell_is_lost(summary: dict[str, Any]) -> None:
    wide, narrow = (render(summary, width=width) for width in (110, 80))
    assert max(map(len, narrow.splitlines())) <= 80
    assert "…" not in narrow
    for cell in ("81.23 ±0.45", "-12.34 ±0.45"):
        assert narrow.count(cell) == wide.count(cell)
    for head in ("1-shot  ", "5-shot  "):
        assert head in narrow
    assert narrow.count("prototypes (Euclidean)") == 2


@pytest.fixture
def three(summary: dict[str, Any]) -> dict[str, Any]:
    """With 1, 5 and 10 shots."""
    for part in ("results", "contrasts"):
        summary[part] = dict.fromkeys(("1", "5", "10"), summary[part]["1"])
    return summary


def test_three_numbers_of_shots_are_complete_on_80_columns_and_side_by_side_in_a_pipe(three: dict[str, Any]) -> None:
    narrow, piped = render(three, width=80), render(three)
    assert max(map(len, narrow.splitlines())) <= 80
    assert "…" not in narrow + piped
    assert narrow.count("81.23 ±0.45") == piped.count("81.23 ±0.45") == 3 * len(LABELS)
    head = next(line.split() for line in piped.splitlines() if "1-shot" in line)
    assert [word for word in head if word.endswith("-shot")] == ["1-shot", "5-shot", "10-shot"]


def test_the_caption_says_what_limits_the_numbers(summary: dict[str, Any]) -> None:
    text = " ".join(render(summary).split())
    assert "±1.25" in text  # with other pictures
    assert "7 images seen by mining are no queries" in text
    assert "looked at 2 times" in text
    summary["episodes"]["dropped"]["1"] = 3
    assert "3 episodes left out" in " ".join(render(summary).split())


def test_the_caption_says_by_which_recipe_a_trained_method_stands_in_its_row(summary: dict[str, Any]) -> None:
    summary["results"]["1"]["semalign"]["recipe"], summary["results"]["5"]["semalign"]["recipe"] = "published", "ours"
    text = " ".join(render(summary).split())
    assert "Of two training recipes val kept: SemAlign (SemFew) 1-shot published, 5-shot ours." in text
