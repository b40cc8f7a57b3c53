"""sha256 of picture files: read in parallel, and remembered as long as a file is untouched.

ImageNet's 608 classes of tieredImageNet are tens of gigabytes; reading them anew for every run would take longer than
most runs. A file counts as untouched while its size, inode, and times of modification and of status change are the
same (what git looks at). One that is younger than two seconds is not remembered: it could change again within a tick.
"""

import hashlib
import os
import sqlite3
import time
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from syntrans.errors import EnvironmentProblem, InputError
from syntrans.images.decode import read_file
from syntrans.images.reference import UNREADABLE
from syntrans.paths import artifacts_root, make_dir
from syntrans.progress import track

_FRESH_NS = 2_000_000_000


def sha256_of(files: Sequence[Path]) -> list[str]:
    """64 hex digits per file, in their order. Hashing releases the interpreter lock, so threads are enough."""
    path = artifacts_root() / "cache" / "hashes.sqlite"
    files = [file.absolute() for file in files]
    try:
        make_dir(path.parent)
        with closing(sqlite3.connect(path, timeout=60)) as store, store:
            store.execute("create table if not exists hashes (file text primary key, stamp text, sha256 text)")
            return _sha256_of(files, store)
    except (
        sqlite3.DatabaseError,
        UnicodeDecodeError,
        EnvironmentProblem,
    ):  # a cache that cannot be used is no reason to stop
        return [_sha256(file) for file in files]


def _sha256_of(files: list[Path], store: sqlite3.Connection) -> list[str]:
    stamps = [_stamp(file) for file in files]
    by_number: dict[int, str] = {}
    for i, (file, stamp) in enumerate(zip(files, stamps, strict=True)):
        row = store.execute("select stamp, sha256 from hashes where file = ?", (str(file),)).fetchone()
        if row and stamp is not None and row[0] == _checked(stamp, row[1]):
            by_number[i] = row[1]
    unknown = [i for i in range(len(files)) if i not in by_number]
    if not unknown:
        return [by_number[i] for i in range(len(files))]
    with ThreadPoolExecutor(os.cpu_count()) as pool, track("hash", len(unknown), "images") as progress:
        for i, sha in zip(unknown, pool.map(lambda i: _sha256(files[i]), unknown), strict=True):
            by_number[i] = sha
            progress.advance(1)
    stamped = [(i, stamp) for i in unknown if (stamp := stamps[i]) is not None]
    rows = [(str(files[i]), _checked(stamp, by_number[i]), by_number[i]) for i, stamp in stamped]
    store.executemany("insert or replace into hashes values (?, ?, ?)", rows)
    return [by_number[i] for i in range(len(files))]


def _checked(stamp: str, sha256: object) -> str:
    """The stamp with a checksum of the row, so that a damaged cache says nothing instead of something else."""
    return f"{stamp} {zlib.crc32(f'{stamp} {sha256}'.encode()):08x}"


def _stamp(file: Path) -> str | None:
    """What changes when the file does; None if it is too fresh to tell, or cannot be looked at."""
    try:
        stat = file.stat()
    except OSError:
        return None
    fresh = time.time_ns() - max(stat.st_mtime_ns, stat.st_ctime_ns) < _FRESH_NS
    return None if fresh else f"{stat.st_size} {stat.st_ino} {stat.st_mtime_ns} {stat.st_ctime_ns}"


def _sha256(file: Path) -> str:
    try:
        return hashlib.sha256(read_file(file)).hexdigest()
    except InputError:
        return UNREADABLE
