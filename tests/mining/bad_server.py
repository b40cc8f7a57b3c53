"""A server of the OpenAI protocol that answers badly, in the way that the first part of the path says."""

from __future__ import annotations

import gzip
import json
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from typing import Any

from syntrans_mining.engines.base import Message, Request, Sampling
from syntrans_mining.engines.server import transport

GOOD = json.dumps({"descriptors": [{"facet": "colour", "text": f"a red part {i}"} for i in range(3)]})
TOP = [{"token": "yes", "logprob": -0.1, "bytes": None}, {"token": "no", "logprob": -2.3, "bytes": None}]
FIRST = {"token": "yes", "logprob": -0.1, "bytes": None, "top_logprobs": TOP}
DEEP = "[" * 20_000 + "]" * 20_000


def whole(content: Any = GOOD, **changes: Any) -> dict[str, Any]:
    """An answer as the protocol has it."""
    message = {"role": "assistant", "content": content, "refusal": None}
    choice = {"index": 0, "finish_reason": "stop", "message": message, "logprobs": {"content": [FIRST]}, **changes}
    usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
    return {"id": "x", "object": "chat.completion", "created": 0, "model": "a", "choices": [choice], "usage": usage}


def request_of(*, yes_no: bool) -> Request:
    return Request("id", "a", (Message("user", "question"),), Sampling(9), yes_no=yes_no)


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

    def second_bad(self, body: Any) -> None:
        self.answer(whole(5 if body["model"] == "b" else GOOD))

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
