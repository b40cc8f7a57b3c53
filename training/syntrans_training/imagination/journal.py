"""Every picture, kept from the moment it is made: sqlite, keyed by what makes it what it is (`prompts.Job.key`).

A batch is in the file before it counts as made: killing a run at any moment loses the batch under way and nothing else.
"""

import hashlib
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from syntrans.errors import InputError
from syntrans.files.journal import using_journal

_TABLE = """
CREATE TABLE IF NOT EXISTS pictures
(key TEXT PRIMARY KEY, image BLOB, latent BLOB, shape TEXT, reason TEXT, digest TEXT)
"""


@dataclass(frozen=True)
class Made:
    """What came of a job: a PNG and its final latent, float16 [c, h, w]; or neither or one, with the reason."""

    image: bytes | None
    latent: NDArray[np.float16] | None
    reason: str | None = None


class PictureJournal:
    """The pictures of one output folder. What is damaged counts as not there, and is made and written anew."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.exists() and not path.is_file():
            raise InputError(f"{path} is no journal (not a plain file); remove it, or choose another --out")
        with using_journal(self.path):
            self._db = _open(path)

    def missing(self, keys: Iterable[str]) -> list[str]:
        """Those of `keys` without a whole picture, in order."""
        return [key for key in keys if self.get(key) is None]

    def get(self, key: str) -> Made | None:
        """The picture of a key, if it is there and whole."""
        with using_journal(self.path):
            row = self._db.execute(
                "SELECT image, latent, shape, reason, digest FROM pictures WHERE key = ?", (key,)
            ).fetchone()
        if row is None:
            return None
        image, latent, shape, reason, digest = row
        # A bit that was turned may also have made bytes of a text, or a text of bytes.
        kinds = ((image, bytes), (latent, bytes), (shape, str), (reason, str))
        if not all(isinstance(cell, kind | None) for cell, kind in kinds) or digest != _digest(
            key, image, latent, shape, reason
        ):
            return None
        if latent is None:
            return Made(image, None, reason)
        return Made(image, np.frombuffer(latent, np.float16).reshape([int(n) for n in shape.split("x")]), reason)

    def put(self, pictures: Iterable[tuple[str, Made]]) -> None:
        """Keep a batch, all of it or nothing."""
        rows = []
        for key, one in pictures:
            latent = None if one.latent is None else np.ascontiguousarray(one.latent, np.float16).tobytes()
            shape = None if one.latent is None else "x".join(map(str, one.latent.shape))
            cells = (one.image, latent, shape, one.reason)
            rows.append((key, *cells, _digest(key, *cells)))
        with using_journal(self.path), self._db:
            self._db.executemany("INSERT OR REPLACE INTO pictures VALUES (?, ?, ?, ?, ?, ?)", rows)

    def close(self) -> None:
        """Close the file; what was put is there."""
        self._db.close()


def _open(path: Path) -> sqlite3.Connection:
    """The database, with its table. What sqlite raises passes through, and the connection is closed before."""
    connection = sqlite3.connect(path)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute(_TABLE)
    except BaseException:
        connection.close()
        raise
    return connection


def _digest(key: str, image: bytes | None, latent: bytes | None, shape: str | None, reason: str | None) -> str:
    text = f"{key}\n{shape}\n{reason}\n".encode()
    return hashlib.sha256(text + (image or b"") + b"\n" + (latent or b"")).hexdigest()[:16]
