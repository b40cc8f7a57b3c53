"""A run without a model: the real steps ask, nobody answers. So a plan counts what a run will really ask.

Every answer is a stand-in of the form that was asked for, every judge says yes, and nothing but the budget drops
anything: what is counted is the most that can be asked, second tries and overlong summaries aside.
"""

from __future__ import annotations

import itertools
import json
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from syntrans.files.scratch import scratch_folder
from syntrans.progress import Silent
from syntrans.runs.file_names import JOURNAL
from syntrans_mining.engines.base import EngineSpec, Message, Picture, Request, Response
from syntrans_mining.engines.fake import FakeEncoder
from syntrans_mining.engines.workers.host import NextRequest, no_next
from syntrans_mining.models import CLIP, Model, Models
from syntrans_mining.run.context import open_run, set_up
from syntrans_mining.run.steps_in_order import Steps
from syntrans_mining.steps.senses import classes_of

if TYPE_CHECKING:
    from syntrans.classes.entries import ClassEntry
    from syntrans_mining.config import MiningConfig

CLASSES = 3
"""As many classes are counted at most: what is asked grows in proportion."""

MOST = 4
"""As many samples or pictures are counted at most: what is asked grows with each of them in a straight line."""

_GROWING = (("propose", "samples"), ("contrast", "samples"), ("ground", "images"))

SENTENCES = 5
"""Of a stand-in for free text, which is asked of the writer of summaries only: as many as its prompt wants at most."""


@dataclass
class Tally:
    """What one model is asked in one step."""

    requests: int = 0
    characters: int = 0
    max_answer_tokens: int = 0


@dataclass
class RequestCounts:
    """What would be asked about ``classes`` classes, by (step, model), and each step's first request."""

    classes: int
    tallies: dict[tuple[str, str], Tally] = field(default_factory=lambda: defaultdict(Tally))
    first: dict[str, tuple[str, tuple[Message, ...]]] = field(default_factory=dict)


def count_requests(config: MiningConfig, entries: Sequence[ClassEntry], *, pictures: bool) -> RequestCounts:
    """Count what mining ``entries`` would ask; with ``pictures`` as if every class had as many as are looked at."""
    for section, key in _GROWING:
        wanted = getattr(getattr(config, section), key)
        if wanted > MOST:
            half = MOST // 2
            more, fewer = (
                count_requests(_with(config, section, key, n), entries, pictures=pictures) for n in (MOST, half)
            )
            return _line(fewer, more, (wanted - MOST) / (MOST - half))
    return _count_of_few(config, entries, pictures=pictures)


def _line(fewer: RequestCounts, more: RequestCounts, times: float) -> RequestCounts:
    """``more``, and ``times`` the difference of the two on top."""
    for key, tally in more.tallies.items():
        less = fewer.tallies[key]
        tally.requests += round((tally.requests - less.requests) * times)
        tally.characters += round((tally.characters - less.characters) * times)
        tally.max_answer_tokens += round((tally.max_answer_tokens - less.max_answer_tokens) * times)
    return more


def _with(config: MiningConfig, section: str, key: str, value: int) -> MiningConfig:
    return config.model_copy(update={section: getattr(config, section).model_copy(update={key: value})})


def _count_of_few(config: MiningConfig, entries: Sequence[ClassEntry], *, pictures: bool) -> RequestCounts:
    chosen = list(entries)[:CLASSES]
    opened = _without_thresholds(config, chosen)
    host = _Recorder(RequestCounts(len(chosen)))
    setup = set_up(opened, chosen, pictures=pictures, models=_stand_ins(config))
    with scratch_folder() as folder, open_run(setup, chosen, folder / JOURNAL, host, progress=host) as run:
        if pictures:
            run.pictures = {entry.id: _pictures(config, entry.id) for entry in chosen}
        Steps(run).run()
    return host.counts


class _Recorder(Silent):
    """The host that everything is asked of, and the progress that tells it the step."""

    def __init__(self, counts: RequestCounts) -> None:
        self.counts = counts
        self.load_seconds: dict[str, float] = {}
        self.loads: dict[str, int] = {}
        self._step = ""
        self._encoder = FakeEncoder()
        self._numbers = itertools.count(1)

    def step(self, name: str) -> None:
        """Remember the step whose requests are counted."""
        self._step = name

    def generate(self, requests: Sequence[Request], next_request: NextRequest = no_next) -> Iterator[Response]:
        """Count them; a stand-in answers."""
        waiting = deque(requests)
        while waiting:
            request = waiting.popleft()
            step = request.step or self._step
            tally = self.counts.tallies[step, request.model]
            tally.requests += 1
            tally.characters += sum(len(message.text) for message in request.messages)
            tally.max_answer_tokens += request.sampling.max_tokens
            self.counts.first.setdefault(step, (request.model, request.messages))
            text, p_yes = ("", 1.0) if request.yes_no else (self._answer(request), None)
            response = Response(request.id, text, p_yes=p_yes)
            if (following := next_request(response)) is not None:
                waiting.append(following)
            yield response

    def embed(self, model: str, method: str, payload: Any) -> Any:
        """Stand-in vectors, nearly orthogonal."""
        del model
        return _Ready(getattr(self._encoder, method)(payload))

    def close(self) -> None:
        """Nothing to end."""

    def _answer(self, request: Request) -> str:
        if request.schema is None:
            return " ".join(f"{self._words()}." for _ in range(SENTENCES))
        return json.dumps(self._of_schema(json.loads(request.schema)), ensure_ascii=False)

    def _of_schema(self, schema: dict[str, Any]) -> Any:
        """The largest answer that a schema of our prompts allows."""
        if "enum" in schema:
            return schema["enum"][0]
        kind = schema.get("type")
        if kind == "object":
            return {key: self._of_schema(value) for key, value in schema.get("properties", {}).items()}
        if kind == "array":
            return [self._of_schema(schema["items"]) for _ in range(schema.get("maxItems", 10))]
        if kind in {"integer", "number"}:
            return schema.get("minimum", 1)
        return kind == "boolean" or self._words()

    def _words(self) -> str:
        return f"‹statement {next(self._numbers)}›"


@dataclass(frozen=True)
class _Ready:
    """A work item whose result is there."""

    value: Any

    def result(self) -> Any:
        return self.value


def _without_thresholds(config: MiningConfig, chosen: Sequence[ClassEntry]) -> MiningConfig:
    choices = config.lint.senses
    senses = {key: 1 if isinstance(choices[key], int) else choices[key] for key in classes_of(choices, chosen)}
    open_wide: dict[str, dict[str, Any]] = {
        "lint": {"ambiguous": "first", "senses": senses},
        "crosscheck": {"threshold": 0.0, "calibration": None},
        "ground": {"threshold": 0.0, "gap": None},
        "filter": {"margin": -2.0, "fuse": None},
    }
    sections = {name: getattr(config, name).model_copy(update=values) for name, values in open_wide.items()}
    return config.model_copy(update=sections)


def _stand_ins(config: MiningConfig) -> Models:
    def model(name: str) -> Model:
        return Model(EngineSpec(name, "fake", name), "", name)

    llms = tuple(model(llm.name) for llm in config.llms)
    encoders = tuple(model(encoder.name) for encoder in config.compose.encoders)
    vlm, clip = model(config.vlm.name) if config.vlm else None, model(CLIP) if config.clip else None
    return Models(llms, vlm, clip, encoders)


def _pictures(config: MiningConfig, class_id: str) -> list[Picture]:
    count = max(min(config.filter.images, MOST), config.ground.images)  # CLIP's are not counted
    return [Picture(f"{class_id}, picture {number}", b"") for number in range(1, count + 1)]
