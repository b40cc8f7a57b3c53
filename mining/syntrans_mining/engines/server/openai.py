"""Any server that speaks the OpenAI protocol: vLLM serve, Ollama, llama.cpp, LM Studio.

Servers differ in how an answer is bound to a JSON schema and in how many log-probabilities they give; both are found
out by asking. Retries, with the pauses that a server asks for (``Retry-After``), are the client library's. Requests
are made by one thread of this process, which an event loop runs in: there a deadline holds whatever the server does.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from functools import cache
from typing import TYPE_CHECKING, Any

from syntrans.errors import EnvironmentProblem, InputError, ModelLoadError
from syntrans.images.image_set import decode
from syntrans.packages.extras import broken_import
from syntrans_mining.engines.base import Message, Picture, Request, Response
from syntrans_mining.engines.picture_size import fit
from syntrans_mining.engines.server.answers import read_answer, read_models
from syntrans_mining.engines.server.settings import ServerSettings

if TYPE_CHECKING:
    import openai

TOP_LOGPROBS = (20, 5)  # the most that servers give, and what the others give
_REFUSED = (400, 413, 422)  # asking again would not help
_TOO_LONG = ("context length", "context_length", "too long", "maximum model length")
_NAME = 60  # characters of a server's model name that a message shows


class OpenAIEngine:
    """One model on a server; ``args`` are those of `ServerSettings`. The key is read here and is written nowhere.

    What the server refuses is a response with an error; what it had no answer to after all tries is one that may
    pass. After as many of these in a row as are under way at once, nothing more is asked.
    A server that cannot be reached or does not know the model at all is a ModelLoadError when the engine starts.
    """

    def __init__(self, model: str, **args: Any) -> None:
        self._model, self._settings = model, ServerSettings.read(model, args)
        self._ways: dict[bool, int] = {}  # by whether it is a yes/no question: the way of asking that has worked
        self._vain = 0  # requests in a row
        self._client = _client(self._settings)
        self._slots = asyncio.Semaphore(self._settings.concurrency)
        try:
            _check_served(self._client, model, self._settings)
        except ModelLoadError:
            self.close()
            raise

    def generate(self, requests: Sequence[Request]) -> Iterator[Response]:
        """Answers as they come, several requests at a time."""
        futures = [asyncio.run_coroutine_threadsafe(self._ask(request), _loop()) for request in requests]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            for future in futures:  # after Ctrl-C nothing more is sent
                future.cancel()

    def close(self) -> None:
        """Close the connections."""
        asyncio.run_coroutine_threadsafe(self._client.close(), _loop()).result()

    async def _ask(self, request: Request) -> Response:
        """Ask, unless the server has stopped answering."""
        async with self._slots:
            if self._vain >= self._settings.concurrency:
                error = "server: it stopped answering"
                return Response(request.id, finish_reason="error", error=error, transient=True)
            try:
                async with asyncio.timeout(self._settings.deadline):
                    response = await self._ask_in_some_way(request)
            except TimeoutError:
                error = f"server: no answer within {self._settings.deadline:g} s"
                response = Response(request.id, finish_reason="error", error=error, transient=True)
            except InputError as problem:  # the picture
                return Response(request.id, finish_reason="error", error=str(problem), reason="refused")
            self._vain = self._vain + 1 if response.transient else 0
            return response

    async def _ask_in_some_way(self, request: Request) -> Response:
        """Ask in the way that has worked, or in one way after the other until the server takes it."""
        import openai

        ways = _ways(request)
        first = self._ways.get(request.yes_no) if len(ways) > 1 else 0
        refusal: Response | None = None
        for number in range(len(ways)) if first is None else [first]:
            try:
                body = await self._create(request, ways[number])
            except openai.OpenAIError as error:
                refusal = _refusal(request, error)
                if refusal.transient:
                    return refusal
            else:
                if len(ways) > 1:
                    self._ways.setdefault(request.yes_no, number)
                return read_answer(request, body)
        assert refusal is not None
        return refusal

    async def _create(self, request: Request, way: Mapping[str, Any]) -> bytes:
        """The server's answer, unread."""
        values = dict(way)
        extra = {**self._settings.extra_body, **values.pop("extra_body", {})}
        # A picture is read and perhaps reduced, which takes time that others need.
        messages = await asyncio.to_thread(self._messages, request) if request.picture else self._messages(request)
        answer = await self._client.chat.completions.with_raw_response.create(
            model=self._model,
            messages=messages,  # type: ignore[arg-type]
            extra_body=extra or None,
            **_sampling(request),
            **values,
        )
        return answer.content

    def _messages(self, request: Request) -> list[dict[str, Any]]:
        return [_message(message, request.picture, self._settings.max_pixels) for message in request.messages]


@cache
def _loop() -> asyncio.AbstractEventLoop:
    """The event loop of all servers, in a thread of its own."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="syntrans-servers", daemon=True).start()
    return loop


def _client(settings: ServerSettings) -> openai.AsyncOpenAI:
    try:
        from syntrans_mining.engines.server.transport import make_client
    except ImportError as error:
        raise broken_import(error, "the openai package", "openai") from error
    # Local servers want some key and read none.
    key = os.environ.get(settings.api_key_env) or "none"
    if not (key.isascii() and key.isprintable()):
        raise EnvironmentProblem(f"the key in {settings.api_key_env} has characters that no key has; copy it again")
    try:
        return make_client(settings, key)
    except ValueError as error:
        raise ModelLoadError(
            f"{settings.base_url} cannot be asked ({error}); check engine.base_url and the proxy"
        ) from error


def _check_served(client: openai.AsyncOpenAI, model: str, settings: ServerSettings) -> None:
    """ModelLoadError unless the server answers, and knows ``model`` if it says what it knows."""
    import openai

    async def ask() -> bytes:
        async with asyncio.timeout(settings.deadline):
            return (await client.models.with_raw_response.list()).content

    try:
        served = read_models(asyncio.run_coroutine_threadsafe(ask(), _loop()).result())
    except (openai.OpenAIError, TimeoutError) as error:
        hint = "start the server, or set engine.base_url"
        if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
            hint = f"put its key into the variable {settings.api_key_env}"
        raise ModelLoadError(f"no answer from {settings.base_url} ({_words(error)}); {hint}") from error
    if served is None:
        raise ModelLoadError(
            f"{settings.base_url} does not list its models as OpenAI's protocol says; check engine.base_url"
        )
    if served and model not in served:
        names = ", ".join(name[:_NAME] for name in served[:5])
        raise ModelLoadError(f"{settings.base_url} does not serve {model!r}; it serves {names}")


def _refusal(request: Request, error: Exception) -> Response:
    import openai

    text = f"server: {_words(error)}"
    if not (isinstance(error, openai.APIStatusError) and error.status_code in _REFUSED):
        return Response(request.id, finish_reason="error", error=text, transient=True)
    too_long = any(words in str(error).lower() for words in _TOO_LONG)
    return Response(request.id, finish_reason="error", error=text, reason="too_long" if too_long else "refused")


def _words(error: Exception) -> str:
    """The type and status say enough; a server's message may repeat what was sent to it, headers included."""
    import openai

    from syntrans_mining.engines.server.transport import AnswerRefused

    if isinstance(error, openai.APIStatusError):
        return f"{type(error).__name__} (HTTP {error.status_code})"
    refused = error if isinstance(error, AnswerRefused) else error.__cause__
    return f"it {refused}" if isinstance(refused, AnswerRefused) else type(error).__name__


def _ways(request: Request) -> list[dict[str, Any]]:
    """How the kind of answer can be asked for, the most usual way first."""
    if request.yes_no:
        return [{"logprobs": True, "top_logprobs": count} for count in TOP_LOGPROBS]
    if not request.schema:
        return [{}]
    schema = json.loads(request.schema)
    named = {"name": "answer", "strict": True, "schema": schema}
    return [
        {"response_format": {"type": "json_schema", "json_schema": named}},
        {"extra_body": {"structured_outputs": {"json": schema}}},  # vLLM's own
        {"extra_body": {"guided_json": schema}},  # vLLM's own, before 0.12
        {"response_format": {"type": "json_object"}},
        {},
    ]


def _sampling(request: Request) -> dict[str, Any]:
    if request.yes_no:
        return {"max_tokens": 1, "temperature": 0.0}
    sampling = request.sampling
    return {
        "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": sampling.seed % 2**31,
    }


def _message(message: Message, picture: Picture | None, max_pixels: int | None) -> dict[str, Any]:
    if not message.picture or picture is None:
        return {"role": message.role, "content": message.text}
    data = _fitting(picture, max_pixels)
    url = f"data:{_media_type(data)};base64,{base64.b64encode(data).decode()}"
    return {
        "role": message.role,
        "content": [
            {"type": "image_url", "image_url": {"url": url}},
            {"type": "text", "text": message.text},
        ],
    }


def _fitting(picture: Picture, max_pixels: int | None) -> bytes:
    """The picture as it is, or reduced and encoded anew if it is larger than the model is meant to see."""
    data = picture.data
    if max_pixels is None:
        return data
    image = decode(data, f"picture {picture.sha256[:12]}")
    reduced = fit(image, max_pixels)
    if reduced is image:
        return data
    buffer = io.BytesIO()
    reduced.save(buffer, format="PNG")
    return buffer.getvalue()


def _media_type(data: bytes) -> str:
    """From the first bytes; some servers take a picture only if its type is named."""
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith(b"\x89PNG"):
        return "image/png"
    return "image/webp" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else "image/*"
