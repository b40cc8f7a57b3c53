"""The memory of an import grows so slowly that a million rows take less than 1 GB."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[3] / "benchmarks" / "mining" / "import_memory.py"


@pytest.mark.slow
def test_fifty_thousand_rows_of_either_form_promise_less_than_a_gigabyte_for_a_million() -> None:
    command = [sys.executable, str(BENCHMARK), "50000"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    forms = [json.loads(line) for line in done.stdout.splitlines()]
    assert [form["rows"] for form in forms] == [50_000] * 3, done.stderr
    assert max(form["bytes_a_row"] for form in forms[:2]) < 850  # of a thousand classes
    assert done.returncode == 0
