"""The engine protocol: requests, answers and samplings as plain, frozen, picklable values, keyed by id."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from syntrans.errors import PartialResult

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EngineKind = Literal["vllm", "ray", "openai", "fake", "clip", "sentence", "fake-clip"]
ENCODERS = ("clip", "sentence", "fake-clip")


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation; ``picture`` says that the request's picture stands before the text."""

    role: str
    text: str
    picture: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """An encoded picture and the sha256 of its bytes; equal pictures in one batch should be one object.

    ``source`` is the bytes, or what reads them: then a picture of a file costs memory only where it is looked at.
    """

    sha256: str
    source: bytes | Callable[[], bytes] = field(repr=False)

    @property
    def data(self) -> bytes:
        """The encoded bytes."""
        return self.source if isinstance(self.source, bytes) else self.source()


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to draw an answer. ``seed`` belongs to this request alone."""

    max_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Request:
    """One question to one model.

    Either ``schema`` (a JSON schema as JSON text) binds the answer, or ``yes_no`` asks for the probability of
    yes against no as the first token, or the answer is free text. ``step``: to which it counts, if it is asked in
    the course of another.
    """

    id: str
    model: str
    messages: tuple[Message, ...]
    sampling: Sampling
    picture: Picture | None = None
    schema: str | None = None
    yes_no: bool = False
    step: str | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """One answer. ``error`` is set, and everything else empty, when there is none.

    ``p_yes`` is P(yes) / (P(yes) + P(no)), each summed over the spellings that are one token. ``transient`` marks an
    error that another try may not meet (a server that was away): it is not kept. ``reason`` is the ledger's
    word for an error (`syntrans.contract.rows.REASONS`).
    """

    id: str
    text: str = ""
    finish_reason: str = "stop"
    p_yes: float | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    error: str | None = None
    transient: bool = False
    reason: Literal["too_long", "refused", "engine_failed"] = "engine_failed"


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """Everything a worker needs to build one engine. ``path`` is a folder, or a name on a server.

    ``exact``: one answer must not depend on what else is asked, whatever that costs.
    """

    name: str
    kind: EngineKind
    path: str
    device: str = "cpu"
    kv_gib: float = 1.0
    exact: bool = False
    args: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TextVectors:
    """Unit vectors [n, dim] of texts, their length in tokens [n], and which were cut off [n].

    ``windowed`` counts those that were longer than the encoder reads at once, and read in windows.
    """

    vectors: NDArray[np.float32]
    tokens: list[int]
    truncated: list[bool]
    windowed: int = 0


class Engine(Protocol):
    """A language or vision-language model."""

    def generate(self, requests: Sequence[Request]) -> Iterator[Response]:
        """One response per request, in any order. A request that cannot be answered gets an error."""
        ...


class TextEncoder(Protocol):
    """A sentence encoder, or the text tower of CLIP."""

    def embed_texts(self, texts: Sequence[str]) -> TextVectors:
        """Unit vectors of ``texts``; what is longer than the model's context is read in windows."""
        ...


class Encoder(TextEncoder, Protocol):
    """A two-tower model such as CLIP."""

    def embed_images(self, pictures: Sequence[Picture]) -> NDArray[np.float32]:
        """Unit vectors [n, dim] of ``pictures``."""
        ...


class EngineCrashed(PartialResult):
    """A worker process died; what was answered until then is in the cache."""
