"""The files of this project, as a checkout or as an unpacked source distribution has them."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def files() -> list[str]:
    """Every file, relative to the root: in a checkout those that git does not ignore, committed or not."""
    if not (ROOT / ".git").exists():
        return sorted(str(path.relative_to(ROOT)) for path in ROOT.rglob("*") if path.is_file())
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in listed.stdout.splitlines() if (ROOT / name).exists()]
