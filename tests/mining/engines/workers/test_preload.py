"""What the fork server imports."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from syntrans_mining.engines.workers.environment import LOG_VARIABLE, RUN_VARIABLE


def test_a_fork_server_whose_run_is_gone_ends_before_it_imports_vllm(tmp_path: Path) -> None:
    gone = {LOG_VARIABLE: str(tmp_path / "log"), RUN_VARIABLE: str(os.getppid())}
    program = "import syntrans_mining.engines.workers.preload"
    assert subprocess.run([sys.executable, "-c", program], env={**os.environ, **gone}, check=False).returncode == 1
    assert not (tmp_path / "log").exists()
