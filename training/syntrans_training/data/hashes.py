"""sha256 of picture files, read in parallel."""

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from syntrans_training.progress import track

UNREADABLE = hashlib.sha256(b"").hexdigest()
"""Stands for a file that cannot be read; decoding it will say why."""


def sha256_of(files: Sequence[Path]) -> list[str]:
    """64 hex digits per file, in their order. Hashing releases the interpreter lock, so threads are enough."""
    found = []
    with ThreadPoolExecutor(os.cpu_count()) as pool, track("hash", len(files), "images") as progress:
        for digest in pool.map(_sha256, files):
            found.append(digest)
            progress.advance(1)
    return found


def _sha256(file: Path) -> str:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return UNREADABLE
