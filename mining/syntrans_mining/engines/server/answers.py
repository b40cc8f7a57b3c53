"""Parsing what a server answers, bytes from a stranger: every field may be missing, of another type, or huge.

The client library does not check the types of an answer. Here each field that is used is checked, and no other is
looked at.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from syntrans_mining.engines.base import Response

if TYPE_CHECKING:
    from syntrans_mining.engines.base import Request

MAX_TEXT = 1_000_000
"""Characters of an answer that are kept; a longer one is taken to be cut off there."""

_ROUNDING, _LEAST = 1e-3, -1e4


def read_answer(request: Request, body: bytes) -> Response:
    """The answer in ``body``. What is no answer at all has an error that may pass, a malformed one an error."""
    failed = partial(Response, request.id, finish_reason="error")
    value = _parse(body)
    if value is None:
        return failed(error="server: an answer that is no JSON", transient=True)
    choice = _first(_field(value, "choices"))
    if not isinstance(choice, dict):  # some servers say an error in an answer that is none
        return failed(error="server: an answer without choices", transient=True)
    usage = _field(value, "usage")
    response = partial(
        Response,
        request.id,
        prompt_tokens=_count(_field(usage, "prompt_tokens")),
        completion_tokens=_count(_field(usage, "completion_tokens")),
    )
    finish = _field(choice, "finish_reason")
    finish = finish if isinstance(finish, str) else "stop"
    if request.yes_no:
        p_yes = p_of_yes(_logprobs(choice))
        if p_yes is None:
            return response(finish_reason="error", error="the server gave no log-probability of yes or no")
        return response(finish_reason=finish, p_yes=p_yes)
    text = _field(_field(choice, "message"), "content")
    if text is None:
        text = ""
    if not isinstance(text, str):
        return response(finish_reason="error", error=f"server: the text of its answer is a {type(text).__name__}")
    if len(text) > MAX_TEXT:
        text, finish = text[:MAX_TEXT], "length"
    return response(text=text.encode("utf-8", "replace").decode(), finish_reason=finish)


def read_models(body: bytes) -> list[str] | None:
    """The names of the models that a server lists; None if ``body`` is no such list."""
    items = _field(_parse(body), "data")
    if not isinstance(items, list):
        return None
    names = (_field(item, "id") for item in items)
    return [name for name in names if isinstance(name, str)]


def p_of_yes(logprobs: Mapping[str, float]) -> float | None:
    """P(yes) / (P(yes) + P(no)) over the spellings among the top tokens; None when neither is there."""
    mass = {"yes": 0.0, "no": 0.0}
    for token, logprob in logprobs.items():
        word = token.strip(" ▁Ġ\n").lower()
        if word in mass:
            mass[word] += math.exp(logprob)
    total = sum(mass.values())
    return mass["yes"] / total if total > 0 else None


def _logprobs(choice: dict[str, Any]) -> dict[str, float]:
    """The top tokens at the first place, and their log-probabilities: at most 0, rounding aside."""
    items = _field(_first(_field(_field(choice, "logprobs"), "content")), "top_logprobs")
    logprobs: dict[str, float] = {}
    for item in items if isinstance(items, list) else ():
        token, logprob = _field(item, "token"), _field(item, "logprob")
        if isinstance(token, str) and isinstance(logprob, int | float) and logprob <= _ROUNDING:
            logprobs[token] = float(max(min(logprob, 0.0), _LEAST))  # an integer of JSON may be larger than any float
    return logprobs


def _parse(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _field(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list) and value else None


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31 else 0
