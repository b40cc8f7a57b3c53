"""`syntrans report --live`: the same page from 127.0.0.1, made anew when a file of its runs has changed.

Nothing but the page and its data is answered, and to this machine's own names alone (a site whose name was made to
lead to 127.0.0.1 still sends its own name).
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from syntrans.errors import EnvironmentProblem, InputError
from syntrans.views.report.page import embedded, render_page
from syntrans.views.report.runs import Part, parts_of

HOST = "127.0.0.1"
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Followed:
    """Runs, and the parts that they have now. ``version`` changes with them."""

    def __init__(self, runs: Sequence[Path]) -> None:
        self._runs, self._lock = runs, threading.Lock()
        self._files: list[tuple[str, int, int]] = []
        self.version = ""
        self.parts: list[Part] = []

    def look(self) -> None:
        """Read the runs again if a file of theirs has changed; what is being written right now is read next time.

        InputError at the first look, for what is no run.
        """
        with self._lock:
            files = self._stamps()
            if self.version and files == self._files:
                return
            try:
                self.parts = parts_of(self._runs, unfinished=True)
            except InputError:
                if not self.version:
                    raise
                return
            self._files = files
            self.version = hashlib.sha256(repr(files).encode()).hexdigest()[:16]

    def _stamps(self) -> list[tuple[str, int, int]]:
        stamps = []
        for run in self._runs:
            for path in [run] if run.is_file() else sorted(run.glob("*")) + sorted(run.glob("*/*.*")):
                try:
                    stat = path.stat()
                except OSError:
                    continue
                stamps.append((str(path), stat.st_mtime_ns, stat.st_size))
        return stamps


def serve_live(runs: Sequence[Path], port: int, say: Callable[[str], None]) -> None:
    """Answer until Ctrl-C; EnvironmentProblem when another program has the port."""
    followed = Followed(runs)
    followed.look()
    with open_server(followed, port) as server:
        say(f"open http://{HOST}:{server.server_port}/ in a browser; Ctrl-C ends it")
        server.serve_forever()


def open_server(followed: Followed, port: int) -> ThreadingHTTPServer:
    """A server of this machine alone, at ``port``, or any free one for 0."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers.get_all("Host") not in [[f"{name}:{self.server.server_port}"] for name in _names()]:  # type: ignore[attr-defined]  # it is an HTTPServer
                self._send(421, "text/plain", f"this server answers to {' and '.join(_names())} alone")
                return
            try:
                self._send(*_answer(followed, self.path))
            except InputError as error:
                self._send(500, "text/plain", str(error))

        def _send(self, status: int, kind: str, text: str) -> None:
            body = text.encode()
            self.send_response(status)
            for name, value in _HEADERS.items():
                self.send_header(name, value)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            with suppress(ConnectionError):  # the browser went away
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing on stderr: the page asks every two seconds."""

    try:
        return ThreadingHTTPServer((HOST, port), Handler)
    except OSError as error:
        raise EnvironmentProblem(
            f"port {port} cannot be taken ({error.strerror}); give another one: --port N"
        ) from error


def _answer(followed: Followed, path: str) -> tuple[int, str, str]:
    """Status, kind and text for an address of the server."""
    address = urlsplit(path)
    followed.look()
    if address.path == "/":
        return 200, "text/html", render_page(followed.parts, live=True)
    if address.path != "/data.json":
        return 404, "text/plain", "there is the page, at /, and nothing else"
    if parse_qs(address.query).get("seen") == [followed.version]:
        return 204, "application/json", ""
    data = {"live": True, "parts": followed.parts}
    return 200, "application/json", embedded({"version": followed.version, "data": data})


def _names() -> tuple[str, str]:
    return HOST, "localhost"
