"""The benchmark of what class knowledge adds to a teacher."""

import importlib

import numpy as np
import pytest


def test_every_student_of_cmkd_says_what_its_knowledge_adds_to_pictures_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cmkd = importlib.import_module("benchmarks.training.cmkd")
    rng = np.random.default_rng(0)
    students = [cmkd.ALONE, cmkd.TOLD, *cmkd.CONTROLS]
    accuracies = {name: [rng.random(50) for _ in range(2)] for name in students}
    rows = cmkd.summary(accuracies, {name: [{"val_teacher": 60.0}] * 2 for name in students})
    assert {cmkd.PICTURES, "teacher with names"} <= rows.keys()
    for name in (cmkd.TOLD, "teacher with names"):
        by_seed = [
            float((own - seen).mean()) for own, seen in zip(accuracies[name], accuracies[cmkd.PICTURES], strict=True)
        ]
        for kind in ("episodes", "seeds"):
            assert rows[name][f"knowledge_over_{kind}"]["mean"] == pytest.approx(100 * np.mean(by_seed), abs=1e-3)
        assert rows[name]["knowledge_over_seeds"]["n"] == 2
        assert f"| {rows[name]['knowledge_over_episodes']['mean']:+.2f} ± " in cmkd.table(rows)
    assert all("knowledge_over_seeds" not in rows[name] for name in (cmkd.ALONE, cmkd.PICTURES))
