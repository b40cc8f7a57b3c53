"""The response cache: every answer and CLIP vector, in sqlite as it arrives, keyed by what makes it what it is.

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
from contextlib import closing
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from syntrans.contract.rows import REASONS
from syntrans.errors import InputError
from syntrans.files.input_files import parse_json
from syntrans.files.journal import using_journal
from syntrans.runs.file_names import JOURNAL
from syntrans_mining.engines.base import Message, Response, Sampling

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

V = TypeVar("V")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, stage TEXT, model TEXT, answer TEXT, digest TEXT)
WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS vectors
(key TEXT PRIMARY KEY, vector BLOB, tokens INTEGER, truncated INTEGER, digest TEXT);
"""
_UNIT = 0.02
"""How far from 1 the length of a vector without a digest may be."""
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
        with closing(ResponseCache(folder / JOURNAL)) as cache:
            answers = cache.count()
        if not answers:
            shutil.rmtree(folder, ignore_errors=True)


def _hash(parts: list[object]) -> str:
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _open(path: Path) -> sqlite3.Connection:
    """The database, with its tables. What sqlite raises passes through, and the connection is closed before."""
    connection = sqlite3.connect(path)
    connection.text_factory = bytes  # a damaged text is looked at by `ResponseCache`, not refused by sqlite
    try:
        # A killed process loses nothing with WAL; a killed machine at most the last commits.
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.executescript(_SCHEMA)
        for table in ("answers", "vectors"):
            columns = connection.execute("SELECT name FROM pragma_table_info(?)", (table,))
            if (b"digest",) not in columns.fetchall():  # written before there were any
                connection.execute(f"ALTER TABLE {table} ADD COLUMN digest TEXT")
    except BaseException:
        connection.close()
        raise
    return connection


class ResponseCache:
    """The answers of one output folder. ``damaged``: keys of what is there and not as it was written; it is not given
    to anybody, so that it is asked again and written anew.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damaged: set[str] = set()
        if path.exists() and not path.is_file():
            raise InputError(f"{path} is no journal (not a plain file); remove it, or choose another --out")
        with using_journal(self.path):
            self._db = _open(path)

    def get(self, keys: Iterable[str]) -> dict[str, Response]:
        """The answers that are there, by key."""
        with using_journal(self.path):
            rows = self._select("answer, digest", "answers", keys)
            return self._whole((key, _response(key, *cells)) for key, *cells in rows)

    def put(self, step: str, model: str, response: Response) -> None:
        """Keep an answer, at once; an error that may pass is left out."""
        if not response.transient:
            answer = _dump(response)
            row = (response.id, step, model, answer, _digest(response.id, answer.encode()))
            self._write(
                "INSERT OR REPLACE INTO answers (key, stage, model, answer, digest) VALUES (?, ?, ?, ?, ?)", [row]
            )

    def get_vectors(self, keys: Iterable[str]) -> dict[str, Vector]:
        """The vectors that are there, by key."""
        with using_journal(self.path):
            rows = self._select("vector, tokens, truncated, digest", "vectors", keys)
            return self._whole((key, _vector(key, *cells)) for key, *cells in rows)

    def put_vectors(self, vectors: Iterable[tuple[str, Vector]]) -> None:
        """Keep vectors, all of them or none."""
        cells = ((key, v.values.tobytes(), int(v.tokens), int(v.truncated)) for key, v in vectors)
        rows = [(*row, _digest(*row)) for row in cells]
        self._write(
            "INSERT OR REPLACE INTO vectors (key, vector, tokens, truncated, digest) VALUES (?, ?, ?, ?, ?)", rows
        )

    def count(self) -> int:
        """How many answers there are."""
        with using_journal(self.path):
            return int(self._db.execute("SELECT count(*) FROM answers").fetchone()[0])

    def keys(self) -> Iterator[str]:
        """The keys of all answers."""
        with using_journal(self.path):
            yield from (_text(key) for (key,) in self._db.execute("SELECT key FROM answers"))

    def close(self) -> None:
        """Close the file; what was put is there."""
        self._db.close()

    def _select(self, columns: str, table: str, keys: Iterable[str]) -> Iterator[tuple[Any, ...]]:
        """Key (as text) and cells of the rows that are there."""
        wanted = list(keys)
        for start in range(0, len(wanted), _BATCH):
            part = wanted[start : start + _BATCH]
            marks = ",".join("?" * len(part))
            query = f"SELECT key, {columns} FROM {table} WHERE key IN ({marks})"  # noqa: S608 - names of ours and marks
            yield from ((_text(key), *cells) for key, *cells in self._db.execute(query, part))

    def _whole(self, rows: Iterable[tuple[str, V | None]]) -> dict[str, V]:
        """The values that are whole; of the others, the keys are noted."""
        whole = {}
        for key, value in rows:
            if value is None:
                self.damaged.add(key)
            else:
                whole[key] = value
        return whole

    def _write(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        with using_journal(self.path), self._db:
            self._db.executemany(statement, rows)


def _response(key: str, answer: object, digest: object) -> Response | None:
    """The answer in a row; None if it is not as it was written. Rows without a digest are of an earlier version."""
    if not isinstance(answer, bytes) or (digest is not None and digest != _digest(key, answer).encode()):
        return None
    try:
        values = parse_json(answer)
        response = Response(key, **values)
    except (ValueError, TypeError):
        return None
    texts = isinstance(response.text, str) and isinstance(response.finish_reason, str)
    lasting = response.reason in REASONS and response.transient is False
    numbers = all(type(n) is int and n >= 0 for n in (response.prompt_tokens, response.completion_tokens))
    error = response.error is None or isinstance(response.error, str)
    p = response.p_yes is None or (type(response.p_yes) in (int, float) and 0 <= response.p_yes <= 1)
    return response if texts and lasting and numbers and error and p else None


def _vector(key: str, data: object, tokens: object, truncated: object, digest: object) -> Vector | None:
    """The unit vector in a row; None as of `_response`."""
    import numpy as np

    if not isinstance(data, bytes) or type(tokens) is not int or truncated not in (0, 1):
        return None
    if digest is not None and digest != _digest(key, data, tokens, truncated).encode():
        return None
    if not data or len(data) % 4 or tokens < 0:
        return None
    values = np.frombuffer(data, np.float32)
    length = float(np.linalg.norm(values.astype(np.float64)))
    return Vector(values, tokens, bool(truncated)) if digest is not None or abs(length - 1) < _UNIT else None


def _digest(key: str, data: bytes, *numbers: object) -> str:
    """16 hex over a row's key and cells."""
    return hashlib.sha256(b"\n".join([key.encode(), repr(numbers).encode(), data])).hexdigest()[:16]


def _text(key: object) -> str:
    return key.decode("utf-8", "replace") if isinstance(key, bytes) else str(key)


def _dump(response: Response) -> str:
    """The fields of a response that differ from their defaults, as JSON; its id is the cache key."""
    values = {name: value for name, default in _DEFAULTS.items() if (value := getattr(response, name)) != default}
    del values["id"]
    return json.dumps(values, separators=(",", ":"))
