"""`syntrans mine` on real vLLM, undisturbed and killed: the same command goes on, asks nothing twice, ends the same."""

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
from syntrans.contract.reading import check_file, read_descriptors, read_semantics
from syntrans.contract.rows import DescriptorRow
from syntrans_world.truth import judge
from tests.conftest import put_into_cache

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(600)]
MINE = ["mine", "--config", "world", "--limit", "3", "--set", "propose.temperature=0", "--set", "propose.samples=1"]


def finish(out: Path) -> dict:
    assert run([*MINE, "--out", str(out)]) == 0
    return report_of(out)


def report_of(out: Path) -> dict:
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


def test_the_files_keep_the_contract(whole: Path) -> None:
    check_file(whole / "descriptors.parquet")
    check_file(whole / "semantics.parquet")
    assert len(read_semantics(whole / "semantics.parquet")[0]) == 3


def test_every_step_ran_and_every_model_answered(whole: Path) -> None:
    report = report_of(whole)
    assert report["skipped"] == {}
    assert report["failures"] == []
    for stage, models in {"propose": 3, "crosscheck": 3, "ground": 1}.items():
        assert len(report["stages"][stage]["models"]) == models
        assert all(m["asked"] and m["prompt_tokens"] for m in report["stages"][stage]["models"].values())


def test_the_models_say_what_they_know(whole: Path) -> None:
    rows, _ = read_descriptors(whole / "descriptors.parquet")
    kept = [judge(row.class_id, row.text) for row in rows if row.kept]
    said = [judge(row.class_id, row.text) for row in rows]
    assert sum(kept) / len(kept) > sum(said) / len(said)
    assert {vote.p_yes < 0.5 for row in rows for vote in row.votes} == {True, False}


def test_votes_are_calibrated_and_the_kept_are_likely(whole: Path) -> None:
    rows, _ = read_descriptors(whole / "descriptors.parquet")
    votes = [vote for row in rows for vote in row.votes]
    assert votes
    assert all(vote.p_calibrated is not None and 0.05 < vote.p_calibrated < 0.99 for vote in votes)
    assert all(row.clip and row.clip.margin is not None for row in rows if row.kept)


def test_the_same_command_again_asks_nothing(whole: Path) -> None:
    before, rows = report_of(whole), read_descriptors(whole / "descriptors.parquet")
    again = finish(whole)
    assert total(again, "asked") == 0
    assert again["load_seconds"] == before["load_seconds"]  # sums over all runs: nothing was loaded once more
    assert read_descriptors(whole / "descriptors.parquet") == rows


def test_a_killed_run_of_real_models_goes_on_and_ends_the_same(whole: Path, tmp_path: Path) -> None:
    questions, out = sum(total(report_of(whole), key) for key in ("asked", "from_journal")), tmp_path / "killed"
    process = subprocess.Popen(
        [sys.executable, "-m", "syntrans.cli.app", *MINE, "--out", str(out)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    soon, deadline = questions // 4, time.monotonic() + 300
    while answers_kept(out) < soon and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = answers_kept(out)
    assert 0 < before < questions
    assert not (out / "run.json").exists()
    resumed = finish(out)
    assert total(resumed, "from_journal") == before
    assert total(resumed, "asked") == questions - before
    # Batches of another make-up round differently in the last bits; what was said and decided is the same.
    expected, actual = by_id(whole), by_id(out)
    assert actual.keys() == expected.keys()
    for key, row in actual.items():
        assert (row.text, row.kept, row.reason) == (expected[key].text, expected[key].kept, expected[key].reason)
        assert [vote.p_yes for vote in row.votes] == pytest.approx([v.p_yes for v in expected[key].votes], abs=1e-3)
