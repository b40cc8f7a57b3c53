"""Any server that speaks the OpenAI protocol: vLLM serve, Ollama, llama.cpp, LM Studio.

Servers differ in how an answer is bound to a JSON schema and in how many log-probabilities they give; both are found
out by asking. Retries, with the pauses that a server asks for (``Retry-After``), are the client library's.
"""

from __future__ import annotations

import base64
import io
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

from syntrans.errors import ModelLoadError
from syntrans.extras import broken_import
from syntrans.images import decode
from syntrans_mining.engines.base import Message, Picture, Request, Response
from syntrans_mining.pictures import fit

TOP_LOGPROBS = (20, 5)  # the most that servers give, and what the others give
_REFUSED = (400, 413, 422)  # asking again would not help
_TOO_LONG = ("context length", "context_length", "too long", "maximum model length")


class OpenAIEngine:
    """One model on a server. The key is read from the environment here and is written nowhere.

    What the server refuses is a response with an error; what it had no answer to after ``retries`` is one that may
    pass. A server that cannot be reached or does not know the model at all is a ModelLoadError when the engine starts.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str,
        api_key_env: str = "OPENAI_API_KEY",
        concurrency: int = 16,
        timeout: float = 120.0,
        retries: int = 6,
        extra_body: dict[str, Any] | None = None,
        max_pixels: int | None = None,
    ) -> None:
        try:
            import openai
        except ImportError as error:
            raise broken_import(error, "the openai package", "openai") from error
        self._errors, self._status_error = openai.OpenAIError, openai.APIStatusError
        self._model, self._concurrency, self._extra = model, concurrency, extra_body or {}
        self._max_pixels = max_pixels
        # Local servers want some key and read none.
        key = os.environ.get(api_key_env) or "none"
        self._client = openai.OpenAI(base_url=base_url, api_key=key, timeout=timeout, max_retries=retries)
        self._ways: dict[bool, int] = {}  # by whether it is a yes/no question: the way of asking that has worked
        try:
            known = [item.id for item in self._client.models.list()]
        except openai.OpenAIError as error:
            hint = "start the server, or set engine.base_url"
            if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
                hint = f"put its key into the variable {api_key_env}"
            raise ModelLoadError(f"no answer from {base_url} ({type(error).__name__}); {hint}") from error
        if known and model not in known:
            raise ModelLoadError(f"{base_url} does not serve {model!r}; it serves {', '.join(known[:5])}")

    def generate(self, requests: Sequence[Request]) -> Iterator[Response]:
        """Answers as they come, several requests at a time."""
        pool = ThreadPoolExecutor(self._concurrency)
        try:
            for future in as_completed([pool.submit(self._ask, request) for request in requests]):
                yield future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # after Ctrl-C nothing more is sent

    def _ask(self, request: Request) -> Response:
        """Ask in the way that has worked, or in one way after the other until the server takes it."""
        ways = _ways(request)
        first = self._ways.get(request.yes_no) if len(ways) > 1 else 0
        refusal: Response | None = None
        for number in range(len(ways)) if first is None else [first]:
            try:
                answer = self._create(request, ways[number])
            except self._errors as error:
                refusal = self._refusal(request, error)
                if refusal.passing:
                    return refusal
            else:
                if len(ways) > 1:
                    self._ways.setdefault(request.yes_no, number)
                return _response(request, answer)
        assert refusal is not None
        return refusal

    def _create(self, request: Request, way: Mapping[str, Any]) -> Any:
        values = dict(way)
        extra = {**self._extra, **values.pop("extra_body", {})}
        return self._client.chat.completions.create(
            model=self._model,
            messages=[_message(m, request.picture, self._max_pixels) for m in request.messages],  # type: ignore[misc]
            extra_body=extra or None,
            **_sampling(request),
            **values,
        )

    def _refusal(self, request: Request, error: Exception) -> Response:
        """The type and status say enough; a server's message may repeat what was sent to it, headers included."""
        status = error.status_code if isinstance(error, self._status_error) else None
        text = f"server: {type(error).__name__}" + (f" (HTTP {status})" if status else "")
        if status not in _REFUSED:
            return Response(request.id, finish_reason="error", error=text, passing=True)
        too_long = any(words in str(error).lower() for words in _TOO_LONG)
        return Response(request.id, finish_reason="error", error=text, reason="too_long" if too_long else "refused")


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


def _response(request: Request, answer: Any) -> Response:
    if not answer.choices:  # some servers say an error in an answer that is none
        return Response(request.id, finish_reason="error", error="server: an answer without choices", passing=True)
    choice, usage = answer.choices[0], answer.usage
    p_yes, error = None, None
    if request.yes_no:
        content = choice.logprobs.content if choice.logprobs else None
        p_yes = p_of_yes({item.token: item.logprob for item in content[0].top_logprobs}) if content else None
        error = None if p_yes is not None else "the server gave no log-probability of yes or no"
    return Response(
        request.id,
        text=choice.message.content or "",
        finish_reason="error" if error else choice.finish_reason,
        p_yes=p_yes,
        prompt_tokens=usage.prompt_tokens if usage else 0,
        completion_tokens=usage.completion_tokens if usage else 0,
        error=error,
    )


def p_of_yes(logprobs: dict[str, float]) -> float | None:
    """P(yes) / (P(yes) + P(no)) over the spellings among the top tokens; None when neither is there."""
    mass = {"yes": 0.0, "no": 0.0}
    for token, logprob in logprobs.items():
        word = token.strip(" ▁Ġ\n").lower()
        if word in mass:
            mass[word] += math.exp(logprob)
    total = sum(mass.values())
    return mass["yes"] / total if total > 0 else None
