"""Every answer and every CLIP vector, kept from the moment it arrives: sqlite, keyed by what makes it what it is.

A key is a hash of model, engine, prompt, rendered messages, sampling, seed and picture, never of paths or of how many
workers there are. An answer is in the file before it counts as given: killing a run at any moment loses the calls
under way and nothing else.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from syntrans.errors import EnvironmentProblem, InputError
from syntrans_mining.engines.base import Message, Response, Sampling

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

JOURNAL = "journal.sqlite"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, stage TEXT, model TEXT, answer TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS vectors (key TEXT PRIMARY KEY, vector BLOB, tokens INTEGER, truncated INTEGER);
"""
_BATCH = 500  # below the number of variables that every sqlite allows
_DEFAULTS = {field.name: field.default for field in fields(Response)}


class Vector(NamedTuple):
    """A unit vector of CLIP; of a text also its length in tokens, and whether it was cut off."""

    values: NDArray[np.float32]
    tokens: int = 0
    truncated: bool = False


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
    """32 hex over everything that changes the answer. ``identity`` is the model's (revision, engine, settings)."""
    # Greedy scoring has no randomness: there a seed changes nothing, and neither do the other knobs.
    drawn = None if yes_no else asdict(sampling)
    return _hash([identity, prompt_sha256, [asdict(m) for m in messages], drawn, picture, schema, yes_no])


def vector_key(*, identity: str, content: str) -> str:
    """32 hex over the encoder's identity and a text, or a picture's sha256."""
    return _hash([identity, content])


def forget_unasked(folder: Path) -> None:
    """Remove the folder of a run that was refused before anything was asked: it has nothing to go on from."""
    if (folder / JOURNAL).is_file():
        with closing(Journal(folder / JOURNAL)) as journal:
            asked = journal.count()
        if not asked:
            shutil.rmtree(folder, ignore_errors=True)


def _hash(parts: list[object]) -> str:
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _open(path: Path) -> sqlite3.Connection:
    """The database, with its tables. What sqlite raises passes through, and the connection is closed before."""
    found = sqlite3.connect(path)
    try:
        # A killed process loses nothing with WAL; a killed machine at most the last commits.
        found.execute("PRAGMA journal_mode=WAL")
        found.execute("PRAGMA synchronous=NORMAL")
        found.executescript(_SCHEMA)
    except BaseException:
        found.close()
        raise
    return found


class Journal:
    """The answers of one output folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._db = _open(path)
        except sqlite3.OperationalError as error:
            raise EnvironmentProblem(f"cannot write {path}: {error}; choose another --out") from error
        except sqlite3.DatabaseError as error:
            raise InputError(f"{path} is no journal ({error}); remove it, or choose another --out") from error

    def get(self, keys: Iterable[str]) -> dict[str, Response]:
        """The answers that are there, by key."""
        with self._reading():
            return {key: Response(key, **json.loads(answer)) for key, answer in self._select("answer", "answers", keys)}

    def put(self, stage: str, model: str, response: Response) -> None:
        """Keep an answer, at once; an error that may pass is left out."""
        if not response.passing:
            row = (response.id, stage, model, _dump(response))
            self._write("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)", [row])

    def get_vectors(self, keys: Iterable[str]) -> dict[str, Vector]:
        """The vectors that are there, by key."""
        import numpy as np

        with self._reading():
            rows = self._select("vector, tokens, truncated", "vectors", keys)
            return {key: Vector(np.frombuffer(data, np.float32), n, bool(cut)) for key, data, n, cut in rows}

    def put_vectors(self, vectors: Iterable[tuple[str, Vector]]) -> None:
        """Keep vectors, all of them or none."""
        rows = [(key, v.values.tobytes(), v.tokens, int(v.truncated)) for key, v in vectors]
        self._write("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?, ?)", rows)

    def count(self) -> int:
        """How many answers there are."""
        with self._reading():
            return int(self._db.execute("SELECT count(*) FROM answers").fetchone()[0])

    def keys(self) -> Iterator[str]:
        """The keys of all answers."""
        with self._reading():
            yield from (key for (key,) in self._db.execute("SELECT key FROM answers"))

    def close(self) -> None:
        """Close the file; what was put is there."""
        self._db.close()

    def _select(self, columns: str, table: str, keys: Iterable[str]) -> Iterator[tuple[Any, ...]]:
        wanted = list(keys)
        for start in range(0, len(wanted), _BATCH):
            part = wanted[start : start + _BATCH]
            marks = ",".join("?" * len(part))
            query = f"SELECT key, {columns} FROM {table} WHERE key IN ({marks})"  # noqa: S608 - names of ours and marks
            yield from self._db.execute(query, part)

    def _write(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        try:
            with self._db:
                self._db.executemany(statement, rows)
        except sqlite3.OperationalError as error:
            raise EnvironmentProblem(
                f"cannot write {self.path}: {error}; free some room and run the same command again"
            ) from error
        except sqlite3.DatabaseError as error:
            raise InputError(f"{self.path} is damaged ({error}); remove it, or choose another --out") from error

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.DatabaseError, ValueError, TypeError) as error:
            raise InputError(f"{self.path} is damaged ({error}); remove it, or choose another --out") from error


def _dump(response: Response) -> str:
    """What of it is not as by default; its id is the key."""
    values = {name: value for name, default in _DEFAULTS.items() if (value := getattr(response, name)) != default}
    del values["id"]
    return json.dumps(values, separators=(",", ":"))
