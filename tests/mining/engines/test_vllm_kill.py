"""Real engines, killed for real: the same command goes on, asks nothing twice, and ends as if nothing had happened."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from syntrans.contract.reading import read_descriptors
from syntrans.contract.rows import DescriptorRow

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(600)]
GREEDY = ["--set", "propose.temperature=0", "--set", "propose.samples=1"]


def start(out: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "syntrans.cli.app", "mine", "--config", "world", "--limit", "3", *GREEDY]
    return subprocess.Popen([*command, "--out", str(out)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(out: Path) -> dict:
    process = start(out)
    _, errors = process.communicate(timeout=500)
    assert process.returncode == 0, errors
    return json.loads((out / "run.json").read_text())


def total(run: dict, key: str) -> int:
    return sum(model[key] for stage in run["stages"].values() for model in stage["models"].values())


def answers(out: Path) -> int:
    try:
        with closing(sqlite3.connect(f"file:{out / 'journal.sqlite'}?mode=ro", uri=True)) as db:
            return int(db.execute("SELECT count(*) FROM answers").fetchone()[0])
    except sqlite3.Error:
        return 0


def by_id(out: Path) -> dict[str, DescriptorRow]:
    return {row.descriptor_id: row for row in read_descriptors(out / "descriptors.parquet")[0]}


def test_a_killed_run_of_real_models_goes_on_and_ends_the_same(tmp_path: Path) -> None:
    whole, out = tmp_path / "whole" / "run", tmp_path / "killed" / "run"
    undisturbed = finish(whole)
    process = start(out)
    deadline = time.monotonic() + 300
    while answers(out) < total(undisturbed, "asked") // 4 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    before = answers(out)
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
