"""Who may speak to the server, and how much: checked before any of it is read.

A page of another site can make a browser send requests to 127.0.0.1. Two checks stop it. *Host*: a site whose name was
made to lead to 127.0.0.1 (DNS rebinding) still sends its own name. *Origin*: a form or script of another site sends its
own origin. Programs that are no browser send no Origin, and may go on.
"""

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from syntrans.images.decode import MAX_BYTES

NAMES = ("127.0.0.1", "localhost")
REQUEST_BYTES = MAX_BYTES + 2**20
"""Of a whole request: the largest picture, and a little for the form around it."""
_SAFE_METHODS = ("GET", "HEAD")
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src blob:; connect-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


class Guard:
    """ASGI middleware: refuses other hosts (421) and origins (403), bodies without length (411) or too long (413)."""

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app = app
        self._hosts = {f"{name}:{port}" for name in NAMES} | (set(NAMES) if port == 80 else set())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is allowed, with the security headers on every answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        refusal = self._refusal(scope["method"], Headers(scope=scope))
        if refusal is None:
            await self._app(scope, receive, send_with_headers)
        else:
            status, why = refusal
            await JSONResponse({"detail": why}, status)(scope, receive, send_with_headers)

    def _refusal(self, method: str, headers: Headers) -> tuple[int, str] | None:
        """Status and reason, or None for what may pass."""
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            return 421, f"this server answers to {' and '.join(sorted(self._hosts))} alone; use one of them"
        if any(origin.lower().removeprefix("http://") not in self._hosts for origin in origins):
            return 403, "pages of other sites may not speak to this server; use its own page"
        if method in _SAFE_METHODS:
            return None
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return 403, "pages of other sites may not speak to this server; use its own page"
        length = headers.get("content-length", "")
        if not length.isdecimal():
            return 411, "send Content-Length with the request"
        if int(length) > REQUEST_BYTES:
            return 413, f"the request has {int(length):,} bytes; at most {REQUEST_BYTES:,} are read: send fewer at once"
        return None
