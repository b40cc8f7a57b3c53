"""Every answer, kept from the moment it arrives: sqlite, keyed by what makes an answer what it is.

A key is a hash of model, prompt, rendered messages, sampling, seed and picture, never of paths or of how many
workers there are. Killing a run at any moment loses the calls under way and nothing else.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from syntrans.errors import EnvironmentProblem, InputError
from syntrans_mining.engines.base import Message, Response, Sampling

_SCHEMA = "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, stage TEXT, model TEXT, answer TEXT) WITHOUT ROWID"
_BATCH = 500  # below the number of variables that every sqlite allows


def request_key(
    *,
    identity: str,
    prompt_sha256: str,
    messages: Sequence[Message],
    sampling: Sampling,
    picture: str | None = None,
    schema: str | None = None,
    yes_no: bool = False,
) -> str:
    """32 hex over everything that changes the answer. ``identity`` is the model's (revision, settings)."""
    # Greedy scoring has no randomness: there a seed changes nothing, and neither do the other knobs.
    drawn = None if yes_no else asdict(sampling)
    parts = [identity, prompt_sha256, [asdict(m) for m in messages], drawn, picture, schema, yes_no]
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


class Journal:
    """The answers of one output folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._db = sqlite3.connect(path)
            # A killed process loses nothing with WAL; a killed machine at most the last commits.
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.execute(_SCHEMA)
            self._db.commit()
        except sqlite3.OperationalError as error:
            raise EnvironmentProblem(f"cannot write {path}: {error}; choose another --out") from error
        except sqlite3.DatabaseError as error:
            raise InputError(f"{path} is no journal ({error}); remove it, or choose another --out") from error

    def get(self, keys: Iterable[str]) -> dict[str, Response]:
        """The answers that are there, by key."""
        found: dict[str, Response] = {}
        try:
            for part in _parts(list(keys), _BATCH):
                marks = ",".join("?" * len(part))
                query = f"SELECT key, answer FROM answers WHERE key IN ({marks})"  # noqa: S608 - only question marks
                rows = self._db.execute(query, part)
                found.update((key, Response(key, **json.loads(answer))) for key, answer in rows)
        except (sqlite3.DatabaseError, ValueError, TypeError) as error:
            raise InputError(f"{self.path} is damaged ({error}); remove it, or give --no-resume") from error
        return found

    def put(self, stage: str, answers: Iterable[tuple[str, Response]]) -> None:
        """Keep ``(model, response)`` pairs, all of them or none; passing errors are left out."""
        lasting = [(model, response) for model, response in answers if not response.passing]
        rows = [(response.id, stage, model, _dump(response)) for model, response in lasting]
        try:
            with self._db:
                self._db.executemany("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)", rows)
        except sqlite3.OperationalError as error:
            raise EnvironmentProblem(
                f"cannot write {self.path}: {error}; free some room and run the same command again"
            ) from error

    def count(self) -> int:
        """How many answers there are."""
        return int(self._db.execute("SELECT count(*) FROM answers").fetchone()[0])

    def keys(self) -> Iterator[str]:
        """All keys."""
        return (key for (key,) in self._db.execute("SELECT key FROM answers"))

    def close(self) -> None:
        """Close the file; what was put is there."""
        self._db.close()


def _dump(response: Response) -> str:
    values = asdict(response)
    del values["id"]
    return json.dumps(values, separators=(",", ":"))


def _parts(items: list[str], size: int) -> Iterator[list[str]]:
    return (items[start : start + size] for start in range(0, len(items), size))
