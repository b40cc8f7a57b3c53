"""Engines without a model: deterministic answers from hashes, and failures on demand. For tests only."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from syntrans_mining.engines.base import EngineCrashed, Picture, Request, Response, TextVectors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_COLOURS = ("red", "blue", "green", "yellow", "white", "black", "brown", "orange")
_PARTS = {"shape": "body", "colour": "head", "texture": "skin", "part": "tail", "size": "legs"}
_DIM = 32
_BITE, _MOST_EATEN = 1 << 23, 1 << 30  # bytes
_WORDS = {"refuse": "I'm sorry, but I can't help with that.", "garbage": '\x00\x1b[31m{"descriptors": [{{]'}
Fault = Literal["die", "killed", "hungry", "hang", "too_long", "refuse", "empty", "garbage", "odd_items"]


class FakeEngine:
    """Answers like a language model would, from hashes of model name, messages, seed and picture.

    ``fail``: requests whose text contains one of these get an error. ``truncate``: such requests end in the
    middle of their answer the first ``truncate_times`` times. ``crash_after``: the engine dies when it has
    given so many answers; with ``hard`` the process goes with it. ``delay``: seconds per answer. ``faults``: what
    else happens to requests whose text contains the key.
    """

    def __init__(
        self,
        name: str,
        *,
        fail: Sequence[str] = (),
        truncate: Sequence[str] = (),
        truncate_times: int = 1,
        crash_after: int | None = None,
        hard: bool = False,
        delay: float = 0.0,
        faults: Mapping[str, Fault] | None = None,
    ) -> None:
        self._name, self._fail, self._truncate, self._delay = name, fail, truncate, delay
        self._truncate_times, self._left, self._hard = truncate_times, crash_after, hard
        self._faults = faults or {}

    def generate(self, requests: Sequence[Request]) -> Iterator[Response]:
        """One response each; equal requests get equal answers."""
        for request in requests:
            if self._left is not None:
                self._die_if_due()
            if self._delay:
                time.sleep(self._delay)
            yield self._answer(request)

    def _die_if_due(self) -> None:
        assert self._left is not None
        if self._left == 0:
            self._die()
        self._left -= 1

    def _die(self) -> NoReturn:
        if self._hard:
            os._exit(9)
        raise EngineCrashed(f"fake engine {self._name} crashed as told")

    def _answer(self, request: Request) -> Response:
        text = " ".join(message.text for message in request.messages)
        if any(part in text for part in self._fail):
            return Response(request.id, finish_reason="error", error="failed as told")
        fault = self._fault_of(text)
        if fault and fault != "odd_items":
            return self._fault(fault, request)
        where = request.picture.sha256 if request.picture else ""
        n_tokens = len(text.split())
        if request.yes_no:
            p_yes = _number(self._name, text, where) / 2**64
            return Response(request.id, p_yes=p_yes, prompt_tokens=n_tokens, completion_tokens=1)
        answer = self._written(text, request)
        if any(part in text for part in self._truncate) and self._truncate_times > 0:
            self._truncate_times -= 1
            return Response(request.id, answer[:40], "length", prompt_tokens=n_tokens, completion_tokens=10)
        return Response(request.id, answer, prompt_tokens=n_tokens, completion_tokens=len(answer.split()))

    def _written(self, text: str, request: Request) -> str:
        """An answer in the form that the request asks for: senses of a name, statements, or plain sentences."""
        if request.schema is None:
            return "It has " + ". It has ".join(item["text"] for item in self._descriptors(text, 0)) + "."
        if '"senses"' in request.schema:
            return json.dumps({"senses": [f"a {_COLOURS[_number(text, str(i)) % 8]} thing" for i in range(2)]})
        odd: list[Any] = [7, {"facet": "colour"}] if self._fault_of(text) == "odd_items" else []
        return json.dumps({"descriptors": [*self._descriptors(text, request.sampling.seed), *odd]})

    def _fault_of(self, text: str) -> Fault | None:
        return next((fault for part, fault in self._faults.items() if part in text), None)

    def _fault(self, fault: Fault, request: Request) -> Response:
        if fault == "die":
            self._die()
        if fault == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if fault == "hungry":
            _eat()
        if fault == "hang":
            time.sleep(3600)
        if fault == "too_long":
            return Response(request.id, finish_reason="error", error="too long as told", reason="too_long")
        if fault == "refuse" and request.yes_no:
            return Response(request.id, finish_reason="error", error="refused as told", reason="refused")
        return Response(request.id, "" if request.yes_no else _WORDS.get(fault, ""))

    def _descriptors(self, text: str, seed: int) -> list[dict[str, str]]:
        """Mostly what every model would say about ``text``, and one thing of its own."""
        shared = [(facet, _number(text, facet)) for facet in _PARTS]
        peculiar = ("colour", _number(self._name, text, str(seed)))
        chosen = [pair for pair in shared if (pair[1] + _number(self._name, str(seed))) % 4]
        return [
            {"facet": facet, "text": f"a {_COLOURS[number % len(_COLOURS)]} {_PARTS[facet]}"}
            for facet, number in [*chosen, peculiar]
        ]


class FakeEncoder:
    """Unit vectors from hashes; equal inputs are equal vectors, all others nearly orthogonal.

    ``crash_once``: a file; while it is not there the first call makes it, and ends the process.
    """

    def __init__(self, *, context_length: int = 77, crash_once: str | None = None) -> None:
        self._limit, self._crash_once = context_length, crash_once

    def embed_texts(self, texts: Sequence[str]) -> TextVectors:
        """Vectors of the texts; a token is a word."""
        if self._crash_once and not Path(self._crash_once).exists():
            Path(self._crash_once).touch()
            os._exit(9)
        counts = [len(text.split()) + 2 for text in texts]
        return TextVectors(_vectors(texts), counts, [count > self._limit for count in counts])

    def embed_images(self, pictures: Sequence[Picture]) -> NDArray[np.float32]:
        """Vectors of the pictures' hashes."""
        return _vectors([picture.sha256 for picture in pictures])


def _eat() -> NoReturn:
    """Take memory until the system ends this process; where it allows too much, crash."""
    taken: list[bytearray] = []
    while len(taken) * _BITE < _MOST_EATEN:
        taken.append(bytearray(os.urandom(1024) * (_BITE // 1024)))
    raise EngineCrashed(f"{_MOST_EATEN >> 30} GiB were taken, and nobody killed the process")


def _number(*parts: str) -> int:
    return int.from_bytes(hashlib.sha256("\n".join(parts).encode()).digest()[:8], "big")


def _vectors(keys: Sequence[str]) -> NDArray[np.float32]:
    import numpy as np

    if not keys:
        return np.zeros((0, _DIM), dtype=np.float32)
    drawn = np.stack([np.random.default_rng(_number(key)).standard_normal(_DIM) for key in keys])
    unit: NDArray[np.float32] = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)
    return unit
