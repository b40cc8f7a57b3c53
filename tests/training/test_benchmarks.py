"""The benchmarks of the bridge and of CMKD: what they compare with what."""

import importlib

import numpy as np
import pytest


@pytest.fixture
def benchmark(repository, monkeypatch):
    """Imports one of the files of benchmarks/ by its name."""
    monkeypatch.syspath_prepend(str(repository / "benchmarks"))
    return importlib.import_module


def test_a_control_of_cmkd_says_what_the_descriptors_add_to_it(benchmark):
    cmkd = benchmark("cmkd")
    rng = np.random.default_rng(0)
    lessons = [cmkd.ALONE, cmkd.TOLD, *cmkd.CONTROLS]
    found = {name: [rng.random(50) for _ in range(2)] for name in lessons}
    rows = cmkd.summary(found, {name: [{"val_teacher": 60.0}] * 2 for name in lessons})
    assert {"teacher of pictures alone", "teacher with names"} <= rows.keys()
    for name in cmkd.CONTROLS:
        by_seed = [float((told - own).mean()) for told, own in zip(found[cmkd.TOLD], found[name], strict=True)]
        for kind in ("episodes", "seeds"):
            assert rows[name][f"knowledge_over_{kind}"]["mean"] == pytest.approx(100 * np.mean(by_seed), abs=1e-3)
        assert rows[name]["knowledge_over_seeds"]["n"] == 2
        assert f"| {rows[name]['knowledge_over_episodes']['mean']:+.2f} ± " in cmkd.table(rows)
    assert all("knowledge_over_seeds" not in rows[name] for name in (cmkd.ALONE, cmkd.TOLD))
