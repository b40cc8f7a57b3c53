"""Servers that answer with anything at all: rows with reasons or one line, never a traceback, never another host."""

from __future__ import annotations

import errno
import gzip
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syntrans.cli import run as command
from syntrans.config import load_config
from syntrans.contract import REASONS, read_descriptors
from syntrans.errors import EnvironmentProblem, ModelLoadError, UsageError
from syntrans_mining.config import MiningConfig
from syntrans_mining.engines import host, transport
from syntrans_mining.engines.base import Message, Request, Response, Sampling
from syntrans_mining.engines.fake import FakeEncoder
from syntrans_mining.engines.openai import OpenAIEngine
from syntrans_mining.engines.proxy import is_loopback, proxy_for, proxy_notice
from syntrans_mining.engines.server_answer import MAX_TEXT, read_answer, read_models
from syntrans_mining.hosting import make_host
from syntrans_mining.journal import Journal
from syntrans_mining.models import resolve_models
from syntrans_mining.steps.failures import reason_of
from syntrans_mining.steps.propose import parse_answer

GOOD = json.dumps({"descriptors": [{"facet": "colour", "text": f"a red part {i}"} for i in range(3)]})
TOP = [{"token": "yes", "logprob": -0.1, "bytes": None}, {"token": "no", "logprob": -2.3, "bytes": None}]
FIRST = {"token": "yes", "logprob": -0.1, "bytes": None, "top_logprobs": TOP}
DEEP = "[" * 20_000 + "]" * 20_000
MISSING = object()
ODD = (MISSING, None, True, 0, -1, 10**400, -(10**400), 1e308, float("nan"), float("inf"), "", "x" * 70_000, "\ud800")
ODD_THINGS = (*ODD, [], [None], [[]], [1, "a"], {}, {"text": {}}, {"type": "text"})


def whole(content: Any = GOOD, **changes: Any) -> dict[str, Any]:
    """An answer as the protocol has it."""
    message = {"role": "assistant", "content": content, "refusal": None}
    choice = {"index": 0, "finish_reason": "stop", "message": message, "logprobs": {"content": [FIRST]}, **changes}
    usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
    return {"id": "x", "object": "chat.completion", "created": 0, "model": "a", "choices": [choice], "usage": usage}


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


def asked(*, yes_no: bool) -> Request:
    return Request("id", "a", (Message("user", "question"),), Sampling(9), yes_no=yes_no)


def check_sound(response: Response, journal: Journal) -> None:
    """A response of the protocol's types, which the journal keeps and the steps take."""
    assert type(response.text) is str
    assert type(response.finish_reason) is str
    assert response.p_yes is None or 0.0 <= response.p_yes <= 1.0
    assert 0 <= response.prompt_tokens < 2**31
    assert 0 <= response.completion_tokens < 2**31
    response.text.encode()
    if not response.passing:
        journal.put("propose", "a", response)
        assert journal.get(["id"]) == {"id": response}
    assert parse_answer(response) is not None or reason_of(response) in REASONS


@pytest.mark.parametrize("yes_no", [False, True])
def test_every_field_missing_null_of_another_type_or_huge_is_an_answer_or_an_error(
    yes_no: bool, tmp_path: Path
) -> None:
    journal, request, n = Journal(tmp_path / "journal.sqlite"), asked(yes_no=yes_no), 0
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
    assert isinstance(read_answer(asked(yes_no=False), body), Response)
    assert isinstance(read_answer(asked(yes_no=True), body), Response)
    assert read_models(body) is None or all(isinstance(name, str) for name in read_models(body) or ())


@given(st.binary(max_size=200))
def test_bytes_that_are_no_json_are_an_error_that_passes(body: bytes) -> None:
    response = read_answer(asked(yes_no=False), b"<" + body)
    assert (response.passing, response.error) == (True, "server: an answer that is no JSON")


@pytest.mark.parametrize("body", [DEEP, '{"choices": ' + DEEP + "}", "9" * 6000, "[1,2", "null", '"hello"', "[1, 2]"])
def test_a_body_that_is_no_answer_passes(body: str) -> None:
    assert read_answer(asked(yes_no=False), body.encode()).passing


def test_an_answer_of_10_mb_is_cut_off_and_drawn_again() -> None:
    response = read_answer(asked(yes_no=False), json.dumps(whole("x" * 10_000_000)).encode())
    assert (len(response.text), reason_of(response)) == (MAX_TEXT, "cut_off")


@pytest.mark.parametrize(
    ("logprob", "p_yes"),
    [(5000.0, 0.0), (float("nan"), 0.0), ("-0.1", 0.0), (True, 0.0), (-(10**400), 0.0), (0.0005, 0.91)],
)
def test_a_log_probability_that_is_none_counts_as_absent(logprob: Any, p_yes: float) -> None:
    top = [{"token": "yes", "logprob": logprob}, {"token": "no", "logprob": -2.3}]
    body = json.dumps(whole(logprobs={"content": [{"top_logprobs": top}]})).encode()
    assert read_answer(asked(yes_no=True), body).p_yes == pytest.approx(p_yes, abs=0.01)


class Handler(BaseHTTPRequestHandler):
    """Does what the first part of the path says; notes who asked."""

    protocol_version = "HTTP/1.1"
    seen: list[str] = []

    def do_GET(self) -> None:
        Handler.seen.append(self.path)
        mode = self.path.split("/")[1]
        listed: dict[str, Any] = {
            "m-html": b"<html>login</html>",
            "m-json": b"[1,2",
            "m-null": None,
            "m-odd": {"data": [{"id": None}, {"x": 1}, 7]},
            "m-big": {"data": [{"id": "x" * 1000} for _ in range(10_000)]},
            "m-terminal": {"data": [{"id": "\x1b[2Jevil\nerror: fake"}]},
        }
        if mode == "m-redirect":
            self.redirect(302)
        else:
            self.answer(listed.get(mode, {"data": [{"id": "a"}, {"id": "b"}]}))

    def do_POST(self) -> None:
        Handler.seen.append(self.path)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        mode = self.path.split("/")[1]
        with suppress(OSError):  # who asked has gone
            getattr(self, mode.replace("-", "_"), self.good)(json.loads(body))

    def good(self, _: Any) -> None:
        self.answer(whole())

    def drip(self, _: Any) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for _ in range(200):
            self.wfile.write(b"1\r\n \r\n")
            time.sleep(0.05)

    def drip_head(self, _: Any) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
        for _ in range(200):
            self.wfile.write(b"x")
            time.sleep(0.05)

    def drip_refusal(self, _: Any) -> None:
        self.send_response(400)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for _ in range(200):
            self.wfile.write(b"1\r\n \r\n")
            time.sleep(0.05)

    def stall(self, _: Any) -> None:
        time.sleep(10)

    def redirect_307(self, _: Any) -> None:
        self.redirect(307)

    def redirect_302(self, _: Any) -> None:
        self.redirect(302)

    def endless(self, _: Any) -> None:
        self.answer(b" " * (transport.MAX_BODY + 1))

    def packed(self, _: Any) -> None:
        self.answer(gzip.compress(b" " * 10**6), {"Content-Encoding": "gzip"})

    def half(self, _: Any) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "100000")
        self.end_headers()
        self.wfile.write(b'{"id":')
        self.close_connection = True

    def html(self, _: Any) -> None:
        self.answer(b"<html>hi</html>")

    def deep(self, _: Any) -> None:
        self.answer(whole(DEEP))

    def deep_list(self, _: Any) -> None:
        self.answer(whole('{"descriptors":' + DEEP + "}"))

    def long_number(self, _: Any) -> None:
        self.answer(whole('{"descriptors":[{"text":"a red part","facet":"colour","n":' + "9" * 6000 + "}]}"))

    def surrogate(self, _: Any) -> None:
        self.answer(whole('{"descriptors":[{"text":"\\ud800 red part","facet":"colour"}]}'))

    def nul(self, _: Any) -> None:
        self.answer(whole('{"descriptors":[{"text":"a red \\u0000 part","facet":"colour"}]}'))

    def number_text(self, _: Any) -> None:
        self.answer(whole(5))

    def list_text(self, _: Any) -> None:
        self.answer(whole([{"type": "text", "text": "x"}]))

    def no_message(self, _: Any) -> None:
        self.answer(whole(message=None))

    def odd_error(self, _: Any) -> None:
        self.answer({"error": [1, {"message": 7}]}, status=400)

    def deep_error(self, _: Any) -> None:
        self.answer(DEEP.encode(), status=400)

    def redirect(self, status: int) -> None:
        self.answer(b"", {"Location": f"http://localhost:{self.server.server_port}/stolen/v1"}, status)  # type: ignore[attr-defined]

    def answer(self, value: Any, headers: dict[str, str] | None = None, status: int = 200) -> None:
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        for name, text in {"Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_args: object) -> None:
        """Silence."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    httpd.server_close()


@pytest.fixture
def ask(address: str) -> Callable[..., Response]:
    Handler.seen = []

    def go(mode: str, *, yes_no: bool = False, **args: Any) -> Response:
        args = {"base_url": f"{address}/{mode}/v1", "retries": 0, "timeout": 20, **args}
        with closing(OpenAIEngine("a", **args)) as engine:
            (response,) = engine.generate([asked(yes_no=yes_no)])
        return response

    return go


@pytest.mark.parametrize("mode", ["drip", "drip-head", "drip-refusal", "stall"])
def test_a_server_that_drips_is_given_up_at_the_deadline(mode: str, ask: Callable[..., Response]) -> None:
    response = ask(mode, timeout=1.5)
    assert (response.passing, response.error) == (True, "server: APITimeoutError")


def test_all_tries_together_have_a_deadline(ask: Callable[..., Response]) -> None:
    response = ask("stall", timeout=60, deadline=1.5)
    assert (response.passing, response.error) == (True, "server: no answer within 1.5 s")


@pytest.mark.parametrize("mode", ["redirect-307", "redirect-302"])
def test_a_redirect_is_refused_and_its_host_is_named(mode: str, ask: Callable[..., Response]) -> None:
    response = ask(mode)
    assert response.passing
    assert "it redirects to localhost:" in (response.error or "")
    assert not [path for path in Handler.seen if "stolen" in path]


def test_a_redirect_of_the_list_of_models_is_a_model_that_does_not_load(ask: Callable[..., Response]) -> None:
    with pytest.raises(ModelLoadError, match="redirects to localhost"):
        ask("m-redirect")
    assert not [path for path in Handler.seen if "stolen" in path]


def test_an_answer_without_end_and_a_packed_one_are_not_read(ask: Callable[..., Response]) -> None:
    assert ask("endless").error == "server: it gave an answer of more than 16 MiB"
    assert ask("packed").error == "server: it compressed its answer, which nobody asked for"


def test_a_server_that_stops_answering_is_not_asked_by_every_request(address: str) -> None:
    Handler.seen = []
    with closing(OpenAIEngine("a", base_url=f"{address}/half/v1", retries=0, concurrency=2)) as engine:
        answers = list(engine.generate([asked(yes_no=False) for _ in range(50)]))
    assert len(answers) == 50
    assert all(answer.passing for answer in answers)
    assert len(Handler.seen) <= 4


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("m-html", "does not list its models"),
        ("m-json", "does not list its models"),
        ("m-null", "does not list its models"),
        ("m-big", "does not serve 'a'; it serves xxx"),
        ("m-terminal", "does not serve 'a'"),
    ],
)
def test_a_list_of_models_that_is_none_ends_with_5_and_one_line(
    mode: str, words: str, address: str, mine: Callable[[str], int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert mine(f"{address}/{mode}/v1") == 5
    said = [line for line in capsys.readouterr().err.splitlines() if "error:" in line]
    assert len(said) == 1
    assert words in said[0]
    assert "\x1b" not in said[0]
    assert len(said[0]) < 1000


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], int]:
    """Mines two birds on a server of two models, in this process, with vectors of no model."""
    build = host.build_engine
    monkeypatch.setattr(host, "build_engine", lambda spec: FakeEncoder() if spec.kind == "clip" else build(spec))
    (tmp_path / "birds.txt").write_text("heron\nibis\n")

    def go(base_url: str, *arguments: str) -> int:
        args = f"args: {{retries: 0, timeout: {1.5 if 'drip' in base_url else 20}, concurrency: 4}}"
        (tmp_path / "server.yaml").write_text(
            f"llms: [{{name: a, path: a, {args}}}, {{name: b, path: b, {args}}}]\n"
            "clip: {path: 'package:syntrans_training/world/weights/clip'}\npropose: {samples: 1}\n"
            f"engine: {{kind: openai, base_url: '{base_url}', workers: 0}}\n"
        )
        config = ["--config", str(tmp_path / "server.yaml")]
        return command(["mine", *config, "--classes", str(tmp_path / "birds.txt"), *arguments])

    return go


@pytest.mark.parametrize(
    ("mode", "code"),
    [
        ("good", 0),
        ("surrogate", 0),
        ("nul", 0),
        ("m-odd", 0),
        ("long-number", 3),
        ("deep", 3),
        ("deep-list", 3),
        ("number-text", 3),
        ("list-text", 3),
        ("no-message", 3),
        ("odd-error", 3),
        ("deep-error", 3),
        ("html", 6),
        ("half", 6),
        ("drip", 6),
        ("redirect-307", 6),
    ],
)
def test_mine_ends_with_rows_or_one_line_whatever_the_server_says(
    mode: str, code: int, address: str, mine: Callable[[str], int], artifacts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mine(f"{address}/{mode}/v1") == code
    errors = [line for line in capsys.readouterr().err.splitlines() if "error:" in line]
    assert len(errors) == (code != 0)
    if code == 0:
        (found,) = artifacts.glob("mine/*/descriptors.parquet")
        assert [row for row in read_descriptors(found)[0] if row.kept]


@pytest.mark.parametrize("mode", ["good", "deep", "number-text", "html"])  # even the good one knows one schema only
def test_doctor_reports_whatever_the_server_says(
    mode: str,
    address: str,
    mine: Callable[..., int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert mine(f"{address}/{mode}/v1", "--dry-run") == 0
    capsys.readouterr()
    assert command(["doctor", "--config", str(tmp_path / "server.yaml"), "--probe", "--json"]) == 4
    found = {check["name"]: check["mark"] for check in json.loads(capsys.readouterr().out)["checks"]}
    assert found["server"] == "ok"
    assert found["a: answers in JSON"] == "fail"


def test_doctor_names_a_server_that_is_none(
    address: str, mine: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mine(f"{address}/m-html/v1", "--dry-run") == 0
    capsys.readouterr()
    assert command(["doctor", "--config", str(tmp_path / "server.yaml"), "--probe"]) == 4
    assert "does not list its models" in capsys.readouterr().out


def test_no_loopback_is_said_before_anything_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class NoLoopback(socket.socket):
        def bind(self, _: object) -> None:
            raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")

    world = load_config(MiningConfig, "world", kind="mining/configs")
    models = resolve_models(world)
    monkeypatch.setattr(socket, "socket", NoLoopback)
    with pytest.raises(EnvironmentProblem, match=r"127\.0\.0\.1 cannot be used \(Cannot assign"):
        make_host(world, models, tmp_path)


def test_a_proxy_is_never_used_for_this_machine(
    address: str, ask: Callable[..., Response], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"{address}/proxy")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert ask("good").error is None
    assert Handler.seen == ["/good/v1/models", "/good/v1/chat/completions"]


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("0.0.0.0", True),
        ("model.localhost", True),
        ("10.0.0.1", False),
        ("localhost.example.org", False),
        ("", False),
    ],
)
def test_what_this_machine_is_called(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_a_proxy_that_is_used_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "NO_PROXY", "no_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://me:secret@proxy.example:3128")
    assert proxy_for("http://10.0.0.1:8000/v1") == "http://me:secret@proxy.example:3128"
    notice = proxy_notice("http://10.0.0.1:8000/v1") or ""
    assert "10.0.0.1 go through the proxy proxy.example:3128" in notice
    assert "secret" not in notice
    assert proxy_for("https://10.0.0.1/v1") is None
    monkeypatch.setenv("no_proxy", "10.0.0.1")
    assert proxy_notice("http://10.0.0.1:8000/v1") is None


@pytest.mark.parametrize(
    "args",
    [{"colour": 1}, {"timeout": "soon"}, {"timeout": float("inf")}, {"retries": -1}, {"concurrency": 0}],
)
def test_an_argument_that_the_engine_does_not_know_is_named(args: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=f"args of model 'a': {next(iter(args))}"):
        OpenAIEngine("a", base_url="http://127.0.0.1:9/v1", **args)


@pytest.mark.parametrize("base_url", ["http://127.0.0.1:99999/v1", "http://:80/v1", "nonsense", "ftp://127.0.0.1/v1"])
def test_an_address_that_is_none_is_a_model_that_does_not_load(base_url: str) -> None:
    with pytest.raises(ModelLoadError, match="cannot be asked"):
        OpenAIEngine("a", base_url=base_url, retries=0, timeout=2)
