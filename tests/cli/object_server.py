"""A server of the OpenAI protocol on 127.0.0.1 that describes objects from a file of sentences (CuPL's form).

It stands for the language models and the vision-language model of docs/quickstart.md. It proposes what the sentences
say an object has, and says yes, with a probability, to what they say of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from openai_server import JsonHandler, serving

CONFIG = """\
llms: [{{name: writer, path: writer}}, {{name: reader, path: reader}}]
vlm: {{name: viewer, path: viewer}}
clip: {{path: "package:syntrans_world/weights/clip"}}  # of the embedded world: it stands in, and drops nothing
engine: {{kind: openai, base_url: "{url}", workers: 0}}
propose: {{samples: 1}}
filter: {{margin: -1}}
"""
_HAS = re.compile(r"\b(?:with|has|have) (an? )?([a-z][a-z -]{4,50}?)(?=[.,;]| that| and| which)")


@contextmanager
def object_server(sentences: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """The address of a running server that knows these objects."""
    known = {name: _features(name, said) for name, said in sentences.items()}

    class Handler(JsonHandler):
        models = ("writer", "reader", "viewer")

        def do_POST(self) -> None:  # noqa: N802 - the name that http.server calls
            body = self.read_json()
            text = json.dumps(body["messages"])
            name = max((name for name in known if name in text), key=len, default="")
            sought = known.get(name) or [feature for features in known.values() for feature in features]
            yes = 0.9 if any(feature in text for feature in sought) else 0.2
            content = "yes" if body.get("logprobs") else _proposal(known.get(name, ()))
            self.send_json(_answer(body["model"], content, yes if body.get("logprobs") else None))

    with serving(handler=Handler) as address:
        yield address


def _features(name: str, sentences: Sequence[str]) -> list[str]:
    features: list[str] = []
    for sentence in sentences:
        features += [(match.group(1) or "") + match.group(2) for match in _HAS.finditer(sentence.lower())]
    return [text for text in dict.fromkeys(features) if name.rsplit(maxsplit=1)[-1] not in text][:8]


def _proposal(features: Sequence[str]) -> str:
    some = [*features, "a solid body", "a clear outline", "a plain surface", "a uniform colour"][
        : max(4, len(features))
    ]
    return json.dumps({"descriptors": [{"facet": "part", "text": text} for text in some]})


def _answer(model: str, content: str, yes: float | None) -> dict[str, Any]:
    from math import log

    logprobs = None
    if yes is not None:
        top = [{"token": token, "logprob": log(p), "bytes": None} for token, p in (("yes", yes), ("no", 1 - yes))]
        logprobs = {"content": [{"token": "yes", "logprob": log(yes), "bytes": None, "top_logprobs": top}]}
    message = {"role": "assistant", "content": content}
    choice = {"index": 0, "finish_reason": "stop", "message": message, "logprobs": logprobs}
    usage = {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20}
    return {"id": "x", "object": "chat.completion", "created": 0, "model": model, "choices": [choice], "usage": usage}
