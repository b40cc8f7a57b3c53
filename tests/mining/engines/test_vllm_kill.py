"""`syntrans mine` on real engines, and killed for real: the same command goes on, asks nothing twice, ends the same."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from processes import answers_kept

from syntrans.cli.app import run
from syntrans.contract.reading import read_descriptors
from syntrans.contract.rows import DescriptorRow
from tests.conftest import put_into_cache

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(600)]
MINE = ["mine", "--config", "world", "--limit", "3", "--set", "propose.temperature=0", "--set", "propose.samples=1"]


def finish(out: Path) -> dict:
    assert run([*MINE, "--out", str(out)]) == 0
    return json.loads((out / "run.json").read_text())


@pytest.fixture(scope="module")
def artifacts_of_all(drawn_world: Path, vllm_imported: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("artifacts")
    put_into_cache(drawn_world, folder)
    return folder


@pytest.fixture(autouse=True)
def same_artifacts(artifacts: Path, artifacts_of_all: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNTRANS_ARTIFACTS", str(artifacts_of_all))


@pytest.fixture(scope="module")
def whole(artifacts_of_all: Path) -> Path:
    """A run that nothing disturbs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SYNTRANS_ARTIFACTS", str(artifacts_of_all))
        finish(artifacts_of_all / "mine" / "whole")
    return artifacts_of_all / "mine" / "whole"


def total(report: dict, key: str) -> int:
    return sum(model[key] for stage in report["stages"].values() for model in stage["models"].values())


def by_id(out: Path) -> dict[str, DescriptorRow]:
    return {row.descriptor_id: row for row in read_descriptors(out / "descriptors.parquet")[0]}


def test_three_classes_of_the_world_are_mined(whole: Path) -> None:
    rows, meta = read_descriptors(whole / "descriptors.parquet")
    assert len({row.class_id for row in rows}) == 3
    assert {author.model for row in rows for author in row.authors} == {"llm-a", "llm-b", "llm-c"}
    assert any(row.kept and row.grounding and row.clip for row in rows)
    assert len(meta.images_seen) > 0
    assert "skipped" not in meta.notes


def test_a_killed_run_of_real_models_goes_on_and_ends_the_same(whole: Path, tmp_path: Path) -> None:
    undisturbed, out = json.loads((whole / "run.json").read_text()), tmp_path / "killed"
    process = subprocess.Popen(
        [sys.executable, "-m", "syntrans.cli.app", *MINE, "--out", str(out)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    soon, deadline = total(undisturbed, "asked") // 4, time.monotonic() + 300
    while answers_kept(out) < soon and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = answers_kept(out)
    assert 0 < before < total(undisturbed, "asked")
    assert not (out / "run.json").exists()
    resumed = finish(out)
    assert total(resumed, "from_journal") == before
    assert total(resumed, "asked") == total(undisturbed, "asked") - before
    # Batches of another make-up round differently in the last bits; what was said and decided is the same.
    expected, found = by_id(whole), by_id(out)
    assert found.keys() == expected.keys()
    for key, row in found.items():
        assert (row.text, row.kept, row.reason) == (expected[key].text, expected[key].kept, expected[key].reason)
        assert [vote.p_yes for vote in row.votes] == pytest.approx([v.p_yes for v in expected[key].votes], abs=1e-3)
    again = finish(out)
    assert total(again, "asked") == 0
    assert again["load_seconds"] == resumed["load_seconds"]  # sums over all runs: nothing was loaded once more
