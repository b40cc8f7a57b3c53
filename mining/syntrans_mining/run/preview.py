"""What a preview shows beside its rows: questions as the models got them, and what they answered."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from syntrans.paths import atomic_write_text

if TYPE_CHECKING:
    from syntrans_mining.engines.base import Request, Response
    from syntrans_mining.requests.dispatcher import Dispatcher

PROMPTS = "prompts.jsonl"
EACH = 24
"""Questions of one step to one model that are kept: of the first classes, in the order of their answers."""


@contextmanager
def preview(dispatcher: Dispatcher, folder: Path) -> Iterator[None]:
    """Keep the first questions of every step to every model, and write them into ``folder`` when the block ends well.

    One JSON line each: step, model, messages (role, text, picture), answer, p_yes, error.
    """
    kept: Counter[tuple[str, str]] = Counter()
    lines: list[str] = []

    def note(step: str, request: Request, response: Response) -> None:
        if kept[step, request.model] < EACH:
            kept[step, request.model] += 1
            messages = [{"role": m.role, "text": m.text, "picture": m.picture} for m in request.messages]
            answer = {"answer": response.text, "p_yes": response.p_yes, "error": response.error}
            line = {"stage": step, "model": request.model, "messages": messages, **answer}
            lines.append(json.dumps(line, ensure_ascii=False) + "\n")

    dispatcher.note = note
    yield
    atomic_write_text(folder / PROMPTS, "".join(lines))
