"""The server engine against a small server of our own on 127.0.0.1."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from syntrans.errors import ModelLoadError
from syntrans_mining.engines.base import Message, Picture, Request, Sampling
from syntrans_mining.engines.server.answers import p_of_yes
from syntrans_mining.engines.server.openai import OpenAIEngine

Connect = Callable[..., OpenAIEngine]
KEY = "sk-secret-value"
SLEEPS = {"slow": 0.2, "silent": 2.0}


class Handler(BaseHTTPRequestHandler):
    """Knows one model; remembers what it was asked; fails on the words in the message.

    ``refuse``: fields of the body that it does not know. ``busy``: so often it answers 429 or 503 first.
    """

    asked: list[dict[str, Any]] = []
    refuse: tuple[str, ...] = ()
    busy: list[tuple[int, dict[str, str]]] = []
    most_logprobs = 20

    def do_GET(self) -> None:
        self._send(200, {"object": "list", "data": [{"id": "tiny", "object": "model"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        Handler.asked.append(body)
        if Handler.busy:
            status, headers = Handler.busy.pop()
            self._send(status, {"error": {"message": "busy"}}, headers)
            return
        if any(body.get(name) for name in Handler.refuse) or body.get("top_logprobs", 0) > Handler.most_logprobs:
            self._send(400, {"error": {"message": "unknown field"}})
            return
        time.sleep(next((s for word, s in SLEEPS.items() if word in json.dumps(body["messages"])), 0))
        if "empty" in json.dumps(body["messages"]):
            self._send(200, {"error": "overloaded"})
            return
        if "broken" in json.dumps(body["messages"]):
            self._send(400, {"error": {"message": f"bad request, key {self.headers['Authorization']}"}})
            return
        top = [{"token": " Yes", "logprob": -0.5, "bytes": None}, {"token": "no", "logprob": -1.5, "bytes": None}]
        content = [{"token": "yes", "logprob": -0.5, "bytes": None, "top_logprobs": top}]
        choice = {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": '{"descriptors":[]}'},
            "logprobs": {"content": content} if body.get("logprobs") else None,
        }
        usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
        self._send(
            200,
            {
                "id": "x",
                "object": "chat.completion",
                "created": 0,
                "model": "tiny",
                "choices": [choice],
                "usage": usage,
            },
        )

    def _send(self, status: int, value: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        for name, text in (headers or {}).items():
            self.send_header(name, text)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        with contextlib.suppress(ConnectionError):  # who asked may be gone
            self.end_headers()
            self.wfile.write(data)

    def log_message(self, *_args: object) -> None:
        """Silence."""


@pytest.fixture
def server() -> Iterator[str]:
    Handler.asked, Handler.refuse, Handler.busy, Handler.most_logprobs = [], (), [], 20
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{httpd.server_port}/v1"
    httpd.shutdown()
    httpd.server_close()


@pytest.fixture
def connect() -> Iterator[Connect]:
    with contextlib.ExitStack() as stack:
        yield lambda *args, **kwargs: stack.enter_context(contextlib.closing(OpenAIEngine(*args, **kwargs)))


def request(text: str, **values: Any) -> Request:
    picture = values.get("picture")
    return Request(
        text, "tiny", (Message("user", text, picture=picture is not None),), Sampling(9, 0.5, seed=2**40), **values
    )


def test_answers_come_back_by_id_with_structure_probability_and_picture(
    server: str, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    engine = connect("tiny", base_url=server, api_key_env="MY_KEY", retries=0)
    requests = [
        request("describe", schema='{"type":"object"}'),
        request("is it?", yes_no=True),
        request("seen?", yes_no=True, picture=Picture("ab", b"\x89PNG")),
        request("broken"),
    ]
    answers = {response.id: response for response in engine.generate(requests)}
    assert answers["describe"].text == '{"descriptors":[]}'
    assert answers["describe"].completion_tokens == 2
    assert answers["is it?"].p_yes == pytest.approx(1 / (1 + 2.718281828**-1))
    assert answers["seen?"].p_yes is not None
    assert not answers["broken"].transient  # asking again would not help
    assert answers["broken"].error == "server: BadRequestError (HTTP 400)"
    assert answers["broken"].reason == "refused"
    assert KEY not in str(answers)
    by_text = {json.dumps(body["messages"]): body for body in Handler.asked}
    structured = next(body for text, body in by_text.items() if "describe" in text)
    assert structured["response_format"]["json_schema"]["schema"] == {"type": "object"}
    assert 0 <= structured["seed"] < 2**31
    assert any("data:image/png;base64,iVBORw==" in text for text in by_text)


@pytest.mark.slow
def test_a_busy_server_is_asked_again_after_the_pause_that_it_wants(server: str, connect: Connect) -> None:
    Handler.busy = [(429, {"Retry-After": "0.3"}), (503, {})]
    start = time.monotonic()
    (answer,) = connect("tiny", base_url=server, retries=3).generate([request("describe")])
    assert answer.error is None
    assert time.monotonic() - start > 0.3
    assert len(Handler.asked) == 3


@pytest.mark.slow
def test_a_server_that_stays_busy_or_silent_is_an_error_that_passes(server: str, connect: Connect) -> None:
    Handler.busy = [(429, {"Retry-After": "0.01"})] * 5
    (answer,) = connect("tiny", base_url=server, retries=1).generate([request("describe")])
    assert (answer.transient, answer.error) == (True, "server: RateLimitError (HTTP 429)")
    Handler.busy = []
    (answer,) = connect("tiny", base_url=server, retries=0, timeout=1).generate([request("silent")])
    assert (answer.transient, answer.error) == (True, "server: APITimeoutError")


@pytest.mark.parametrize(
    ("refuse", "takes"),
    [
        (("response_format",), "structured_outputs"),
        (("response_format", "structured_outputs"), "guided_json"),
        (("response_format", "structured_outputs", "guided_json"), "messages"),
    ],
)
def test_a_server_is_asked_for_json_in_the_way_it_takes_and_the_way_is_remembered(
    server: str, connect: Connect, refuse: tuple[str, ...], takes: str
) -> None:
    Handler.refuse = refuse
    engine = connect("tiny", base_url=server, retries=0, concurrency=1)
    for number in range(2):
        (answer,) = engine.generate([request(f"describe {number}", schema='{"type":"object"}')])
        assert answer.error is None
        assert takes in Handler.asked[-1]
    assert "describe 1" not in str(Handler.asked[:-1])


def test_a_server_with_few_logprobs_is_asked_for_few(server: str, connect: Connect) -> None:
    Handler.most_logprobs = 5
    engine = connect("tiny", base_url=server, retries=0)
    (answer,) = engine.generate([request("is it?", yes_no=True)])
    assert answer.p_yes is not None
    assert Handler.asked[-1]["top_logprobs"] == 5


def test_what_is_for_the_chat_template_goes_into_the_body(server: str, connect: Connect) -> None:
    extra = {"chat_template_kwargs": {"enable_thinking": False}}
    list(connect("tiny", base_url=server, extra_body=extra).generate([request("describe")]))
    assert Handler.asked[-1]["chat_template_kwargs"] == {"enable_thinking": False}


def test_an_answer_that_is_none_is_an_error_that_passes(server: str, connect: Connect) -> None:
    (answer,) = connect("tiny", base_url=server, retries=0).generate([request("empty")])
    assert answer.transient
    assert answer.error == "server: an answer without choices"


@pytest.mark.slow
def test_who_stops_listening_has_nothing_more_asked(server: str, connect: Connect) -> None:
    answers = connect("tiny", base_url=server, retries=0, concurrency=2).generate(
        [request(f"slow {number}") for number in range(50)]
    )
    next(answers)
    answers.close()  # type: ignore[attr-defined]  # a generator
    time.sleep(0.5)
    assert len(Handler.asked) < 10


def test_a_model_that_is_not_served_is_named_with_those_that_are(server: str) -> None:
    with pytest.raises(ModelLoadError, match="does not serve 'huge'; it serves tiny"):
        OpenAIEngine("huge", base_url=server)


def test_no_server_at_all_is_a_model_that_does_not_load() -> None:
    with pytest.raises(ModelLoadError, match="start the server"):
        OpenAIEngine("tiny", base_url="http://127.0.0.1:9/v1", retries=0, timeout=2)


def test_no_mention_of_yes_or_no_is_no_probability() -> None:
    assert p_of_yes({"maybe": -0.1}) is None
    assert p_of_yes({"Yes": -1.0, "yes ": -1.0, "NO": -50.0}) == pytest.approx(1.0)
