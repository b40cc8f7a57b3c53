"""The HTTP client of the server engine: one deadline, a bounded answer, no redirect, no proxy for this machine.

The openai package decides which HTTP library it uses (httpx or httpx2); the client is built from that one.
"""

from __future__ import annotations

import asyncio
import importlib
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import openai

from syntrans_mining.engines.server.proxy import proxy_for

if TYPE_CHECKING:
    from syntrans_mining.engines.server.settings import ServerSettings

MAX_BODY = 16 * 2**20
"""Bytes of an answer that are read; the longest that `max_tokens` allows is far below."""

_CLIENT = next(base for base in openai.DefaultAsyncHttpxClient.__mro__ if base.__name__ == "AsyncClient")
http: Any = importlib.import_module(_CLIENT.__module__.partition(".")[0])


class AnswerRefused(openai.OpenAIError):
    """An answer that is not read: a redirect, a compressed or an endless one. Asking at once again would not help."""


class BoundedTransport(http.AsyncBaseTransport):  # type: ignore[misc]
    """Reads each answer whole, within ``seconds`` from the first byte sent to the last one received.

    A time limit for each read, which is what HTTP libraries offer, never ends where a server sends a byte now and
    then.
    """

    def __init__(self, seconds: float, proxy: str | None) -> None:
        self._seconds = seconds
        self._inner = http.AsyncHTTPTransport(proxy=proxy)

    async def handle_async_request(self, request: Any) -> Any:
        """The answer with its body. TimeoutException of the HTTP library past the deadline; AnswerRefused."""
        try:
            async with asyncio.timeout(self._seconds):
                response = await self._inner.handle_async_request(request)
                try:
                    _check_head(response)
                    body = await _read(response)
                finally:
                    await response.aclose()
        except TimeoutError as error:
            raise http.ReadTimeout(f"no whole answer within {self._seconds:g} s", request=request) from error
        return http.Response(response.status_code, headers=response.headers, content=body, request=request)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()


def make_client(settings: ServerSettings, key: str) -> openai.AsyncOpenAI:
    """A client of the server. ValueError where its address or the proxy's is none."""
    address = urlsplit(settings.base_url)
    if address.scheme not in {"http", "https"} or not address.hostname or address.port == 0:  # a port may be no number
        raise ValueError("an address is http://host:port/v1")
    try:
        transport = BoundedTransport(settings.timeout, proxy_for(settings.base_url))
        client = http.AsyncClient(transport=transport, follow_redirects=False, timeout=settings.timeout)
        return openai.AsyncOpenAI(
            base_url=settings.base_url,
            api_key=key,
            timeout=settings.timeout,
            max_retries=settings.retries,
            http_client=client,
            default_headers={"Accept-Encoding": "identity"},
        )
    except (http.InvalidURL, ImportError) as error:  # ImportError: a SOCKS proxy needs a further package
        raise ValueError(str(error)) from error


def _check_head(response: Any) -> None:
    if 300 <= response.status_code < 400:
        host = urlsplit(response.headers.get("location", "")).netloc or "another address"
        raise AnswerRefused(f"redirects to {host:.100}, which is not followed")
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise AnswerRefused("compressed its answer, which nobody asked for")


async def _read(response: Any) -> bytes:
    parts, size = [], 0
    async for part in response.aiter_raw():
        parts.append(part)
        size += len(part)
        if size > MAX_BODY:
            raise AnswerRefused(f"gave an answer of more than {MAX_BODY // 2**20} MiB")
    return b"".join(parts)
