"""A seeded sample of everything that `make reliability` measures: all as promised."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def reliability(monkeypatch: pytest.MonkeyPatch, repository: Path) -> ModuleType:
    monkeypatch.syspath_prepend(str(repository / "benchmarks"))
    return importlib.import_module("reliability")


@pytest.mark.slow
def test_a_sample_of_kills_disks_damage_bad_input_and_a_soak_is_as_promised(
    reliability: ModuleType, tmp_path: Path
) -> None:
    found = reliability.measure(tmp_path, 0, 0.02)
    assert reliability.faults(found) == []
    assert sum(row["kills"] for row in found["kills"]) >= 10
    page = reliability.page({**found, "seconds": 1, "made_by": reliability.made_by(0)})
    assert "| mine | " in page


def test_what_is_not_as_promised_is_named(reliability: ModuleType) -> None:
    fine = {"scene": "mine", "different": 0, "asked_twice": 0}
    found = {
        "kills": [{**fine, "asked_twice": 2}],
        "signals": [{**fine, "different": 1}],
        "world": {"one folder": [fine]},
        "mutants": [{"kind": "run.json", "wrong": 1, "crashed": 0}],
        "inputs": {"bad": [{"command": "inspect x", "code": "KeyError", "line": "'x'"}]},
        "soak": {"lost": 3, "asked_twice": 0, "classes_without_a_row": 0},
    }
    assert len(reliability.faults(found)) == 5
    assert any("lost" in line for line in reliability.faults(found))
