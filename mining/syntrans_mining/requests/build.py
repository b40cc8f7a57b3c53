"""A prompt that is put to a model, as a request: the one place that knows what its cache key is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syntrans_mining.engines.base import Message, Picture, Request, Sampling
from syntrans_mining.requests.response_cache import request_key

if TYPE_CHECKING:
    from syntrans_mining.models import Model
    from syntrans_mining.requests.prompts import Prompt

ONE_TOKEN = Sampling(max_tokens=1)  # of a yes or no, the first token says it


def build_request(
    model: Model,
    prompt: Prompt,
    messages: tuple[Message, ...],
    sampling: Sampling = ONE_TOKEN,
    *,
    picture: Picture | None = None,
    step: str | None = None,
) -> Request:
    """``messages`` are the rendered ``prompt``, whose kind of answer binds the request; ``step``: see `Request`."""
    schema, yes_no = prompt.answer_schema, prompt.answer == "yes_no"
    key = request_key(
        identity=f"{model.name}\n{model.identity}",
        prompt_sha256=prompt.sha256,
        messages=messages,
        sampling=sampling,
        picture=picture.sha256 if picture else None,
        schema=schema,
        yes_no=yes_no,
    )
    return Request(key, model.name, messages, sampling, picture=picture, schema=schema, yes_no=yes_no, step=step)
