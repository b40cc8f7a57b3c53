"""A server on 127.0.0.1 that speaks enough of the OpenAI protocol to mine against: canned answers, no model.

    python scripts/openai_server.py 8123

Three models, `a`, `b` and `c`; each writes the same four statements about anything, and says yes to every question.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

STATEMENTS = ("a short upright tail", "brown barred wings", "a thin bill", "a pale stripe above the eye")


class JsonHandler(BaseHTTPRequestHandler):
    """Lists the `models`, and sends JSON without a word in the log; what it answers, a class below says."""

    models: tuple[str, ...] = ()

    def do_GET(self) -> None:
        """The list of models."""
        self.send_json({"object": "list", "data": [{"id": name, "object": "model"} for name in self.models]})

    def read_json(self) -> dict[str, Any]:
        """What was asked."""
        body: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        return body

    def send_json(self, value: dict[str, Any]) -> None:
        """Answer with ``value``."""
        data = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_args: object) -> None:
        """Silence."""


class Handler(JsonHandler):
    """Answers by the kind of the question: one of yes or no asks for log-probabilities."""

    models = ("a", "b", "c")

    def do_POST(self) -> None:
        """A chat completion."""
        body = self.read_json()
        text = json.dumps({"descriptors": [{"facet": "part", "text": text} for text in STATEMENTS]})
        top = [{"token": "yes", "logprob": -0.1, "bytes": None}, {"token": "no", "logprob": -2.4, "bytes": None}]
        content = [{"token": "yes", "logprob": -0.1, "bytes": None, "top_logprobs": top}]
        choice = {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "yes" if body.get("logprobs") else text},
            "logprobs": {"content": content} if body.get("logprobs") else None,
        }
        usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
        about = {"id": "x", "object": "chat.completion", "created": 0, "model": body["model"]}
        self.send_json({**about, "choices": [choice], "usage": usage})


@contextmanager
def serving(port: int = 0, handler: type[BaseHTTPRequestHandler] = Handler) -> Iterator[str]:
    """The address of a running server, for ``engine.base_url``; 0 takes a free port."""
    httpd = ThreadingHTTPServer(("127.0.0.1", port), handler)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{httpd.server_port}/v1"
    finally:
        httpd.shutdown()
        httpd.server_close()


def mine_arguments(address: str) -> list[str]:
    """The arguments of a run of `syntrans mine` on that server."""
    settings = [f"engine.base_url={address}", "lint.ask_senses=false"]
    settings += [f"llms.{number}.path={name}" for number, name in enumerate("abc")]
    return ["mine", "--config", "server", *(word for setting in settings for word in ("--set", setting))]


if __name__ == "__main__":
    with serving(int(sys.argv[1]) if len(sys.argv) > 1 else 0) as running:
        print(running, flush=True)
        threading.Event().wait()
