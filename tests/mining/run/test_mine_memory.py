"""The memory of a run's own process hardly grows with the number of classes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[3] / "benchmarks" / "mining" / "mining_memory.py"


@pytest.mark.slow
def test_two_thousand_classes_take_little_more_memory_than_a_hundred() -> None:
    """Ten thousand may take 200 MB; this is the slope, with room for what allocators do."""
    command = [sys.executable, str(BENCHMARK), "100", "2000"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    few, many, growth = (json.loads(line) for line in done.stdout.splitlines())
    assert many["rows"] > 15 * few["rows"]
    assert many["requests"] > 15 * few["requests"]
    assert growth["growth_mb"] < 80
