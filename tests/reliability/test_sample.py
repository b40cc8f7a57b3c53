"""A seeded sample of everything that `make reliability` measures: all as promised.

Left out, as the slowest: training an encoder; `train` and `predict` under SIGKILL and without a cache; `train`,
`evaluate` and `predict` on full disks; `train` beside itself, moved or with another clock.
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture
def reliability(monkeypatch: pytest.MonkeyPatch, repository: Path) -> ModuleType:
    return importlib.import_module("benchmarks.reliability.reliability")


@pytest.mark.slow
def test_a_sample_of_kills_disks_damage_bad_input_and_a_soak_is_as_promised(
    reliability: ModuleType, tmp_path: Path
) -> None:
    figures = reliability.measure(tmp_path, 0, 0.01)
    assert reliability.faults(figures) == []
    assert sum(row["hit"] for row in figures["kills"]) >= 10
    scenes = {"mine", "import", "pack", "train", "evaluate", "predict"}
    assert {row["scene"] for row in figures["kills"]} == scenes
    assert {row["scene"] for row in figures["signals"]} == scenes - {"train", "predict"}
    assert all(figures["world"].values())


FINE = {"scene": "mine", "kills": 1, "hit": 1, "different": 0, "asked_twice": 0}
SOUND: dict[str, Any] = {
    "kills": [FINE],
    "signals": [FINE],
    "world": {"one folder": [FINE], "refused writes": [{**FINE, "refused": 2, "crashed": 0}]},
    "mutants": [{"kind": "run.json", "wrong": 0, "crashed": 0}],
    "inputs": {"bad": []},
    "soak": {
        "lost": 0,
        "asked_twice": 0,
        "classes_without_a_row": 0,
        "mib_after_a_quarter": 9.0,
        "mib_at_the_end": 9.5,
    },
}


@pytest.mark.parametrize(
    ("part", "value", "words"),
    [
        ("kills", [{**FINE, "asked_twice": 2}], "2 asked twice"),
        ("kills", [{**FINE, "hit": 0}], "only 0 of 1 hit"),
        ("signals", [{**FINE, "different": 1}], "1 runs ended differently"),
        ("signals", [{**FINE, "failed_again": 1}], "did not end well after a kill"),
        ("world", {"one folder": [{**FINE, "crashed": 1}]}, "no error of ours"),
        ("world", {"refused writes": [{**FINE, "refused": 0}]}, "no write was refused"),
        ("mutants", [{"kind": "run.json", "wrong": 1, "crashed": 0}], "1 wrong, 0 crashed"),
        ("inputs", {"bad": [{"command": "inspect x", "code": "KeyError", "said": "'x'"}]}, "inspect x: KeyError"),
        ("soak", {**SOUND["soak"], "lost": 3}, "3 lost"),
        ("soak", {**SOUND["soak"], "mib_at_the_end": 12.0}, "memory grew"),
    ],
)
def test_what_is_not_as_promised_is_named(part: str, value: Any, words: str, reliability: ModuleType) -> None:
    assert reliability.faults(SOUND) == []
    (line,) = reliability.faults({**SOUND, part: value})
    assert words in line


@pytest.mark.parametrize(
    ("code", "said", "ok"),
    [
        (3, "syntrans: error: a is not JSON\n", True),
        (3, "syntrans: passed over: b\nsyntrans: error: a is not JSON\n", True),
        (3, "Traceback (most recent call last):\nsyntrans: error: a\n", False),
        (3, "syntrans: error: a\nsyntrans: error: b\n", False),
        (3, "syntrans: error: a\nand more\n", False),
        (3, "", False),
        (1, "syntrans: error: a\n", False),
    ],
)
def test_an_end_is_good_with_one_line_and_nothing_after_it(
    code: int, said: str, ok: bool, reliability: ModuleType
) -> None:
    assert reliability.inputs.Ending("inspect a", code, said, 0.1).ok is ok


def test_a_run_that_ended_before_its_death_begins_anew_and_dies_earlier(
    reliability: ModuleType, tmp_path: Path
) -> None:
    tried: list[float] = []

    def dies(at: float) -> bool:
        tried.append(at)
        (tmp_path / "run").mkdir()
        return len(tried) == 3

    assert reliability.kills.until_hit(dies, 8.0, tmp_path / "run") == 2
    assert tried == [8.0, 4.0, 2.0]


def test_the_page_is_made_of_the_figures_beside_it(reliability: ModuleType) -> None:
    figures = [json.loads(path.read_text(encoding="utf-8")) for path in (reliability.RESULT, reliability.RAY)]
    written = reliability.PAGE.read_text(encoding="utf-8")
    assert written == reliability.page(*figures), (
        "make reliability, or python benchmarks/reliability/reliability.py --page"
    )
