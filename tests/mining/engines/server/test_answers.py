"""What a server says, fuzzed from the protocol: every field missing, null, of another type, or huge."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bad_server import DEEP, request_of, whole
from hypothesis import given
from hypothesis import strategies as st

from syntrans.contract.rows import REASONS
from syntrans_mining.engines.base import Response
from syntrans_mining.engines.server.answers import MAX_TEXT, read_answer, read_models
from syntrans_mining.requests.response_cache import ResponseCache
from syntrans_mining.steps.failures import reason_of
from syntrans_mining.steps.propose import parse_answer

MISSING = object()
ODD = (MISSING, None, True, 0, -1, 10**400, -(10**400), 1e308, float("nan"), float("inf"), "", "x" * 70_000, "\ud800")
ODD_THINGS: tuple[Any, ...] = (*ODD, [], [None], [[]], [1, "a"], {}, {"text": {}}, {"type": "text"})


def places(value: Any) -> Iterator[tuple[Any, ...]]:
    """The way to every value within ``value``, itself included."""
    yield ()
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in items:
        yield from ((key, *rest) for rest in places(below))


def changed(value: Any, place: tuple[Any, ...], put: Any) -> Any:
    """``value`` with ``put`` at ``place``; MISSING takes it away."""
    if not place:
        return None if put is MISSING else put
    copied = json.loads(json.dumps(value))
    here = copied
    for key in place[:-1]:
        here = here[key]
    if put is MISSING:
        del here[place[-1]]
    else:
        here[place[-1]] = put
    return copied


def check_sound(response: Response, journal: ResponseCache) -> None:
    """A response of the protocol's types, which the journal keeps and the steps take."""
    assert type(response.text) is str
    assert type(response.finish_reason) is str
    assert response.p_yes is None or 0.0 <= response.p_yes <= 1.0
    assert 0 <= response.prompt_tokens < 2**31
    assert 0 <= response.completion_tokens < 2**31
    response.text.encode()
    if not response.transient:
        journal.put("propose", "a", response)
        assert journal.get(["id"]) == {"id": response}
    assert parse_answer(response) is not None or reason_of(response) in REASONS


@pytest.mark.parametrize("yes_no", [False, True])
def test_every_field_missing_null_of_another_type_or_huge_is_an_answer_or_an_error(
    yes_no: bool, tmp_path: Path
) -> None:
    journal, request, n = ResponseCache(tmp_path / "journal.sqlite"), request_of(yes_no=yes_no), 0
    for place in places(whole()):
        for put in ODD_THINGS:
            body = json.dumps(changed(whole(), place, put)).encode()
            check_sound(read_answer(request, body), journal)
            n += 1
    journal.close()
    assert n > 500


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda s: (
            st.lists(s)
            | st.dictionaries(st.sampled_from(["choices", "message", "content", "logprobs", "usage", "data", "id"]), s)
        ),
    )
)
def test_any_json_at_all_is_an_answer_or_an_error(value: Any) -> None:
    body = json.dumps(value).encode()
    assert isinstance(read_answer(request_of(yes_no=False), body), Response)
    assert isinstance(read_answer(request_of(yes_no=True), body), Response)
    assert read_models(body) is None or all(isinstance(name, str) for name in read_models(body) or ())


@given(st.binary(max_size=200))
def test_bytes_that_are_no_json_are_an_error_that_passes(body: bytes) -> None:
    response = read_answer(request_of(yes_no=False), b"<" + body)
    assert (response.transient, response.error) == (True, "server: an answer that is no JSON")


@pytest.mark.parametrize("body", [DEEP, '{"choices": ' + DEEP + "}", "9" * 6000, "[1,2", "null", '"hello"', "[1, 2]"])
def test_a_body_that_is_no_answer_passes(body: str) -> None:
    assert read_answer(request_of(yes_no=False), body.encode()).transient


def test_an_answer_of_10_mb_is_cut_off_and_drawn_again() -> None:
    response = read_answer(request_of(yes_no=False), json.dumps(whole("x" * 10_000_000)).encode())
    assert (len(response.text), reason_of(response)) == (MAX_TEXT, "cut_off")


@pytest.mark.parametrize(
    ("logprob", "p_yes"),
    [(5000.0, 0.0), (float("nan"), 0.0), ("-0.1", 0.0), (True, 0.0), (-(10**400), 0.0), (0.0005, 0.91)],
)
def test_a_log_probability_that_is_none_counts_as_absent(logprob: Any, p_yes: float) -> None:
    top = [{"token": "yes", "logprob": logprob}, {"token": "no", "logprob": -2.3}]
    body = json.dumps(whole(logprobs={"content": [{"top_logprobs": top}]})).encode()
    assert read_answer(request_of(yes_no=True), body).p_yes == pytest.approx(p_yes, abs=0.01)
