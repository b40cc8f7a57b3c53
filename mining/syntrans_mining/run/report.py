"""What a run did, step by step: the data of ``run.json`` and the table for people."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from textwrap import wrap
from typing import Any

from syntrans.runs.legs import Legs
from syntrans.tables import width_of
from syntrans_mining.requests.dispatcher import Counts, Dispatcher, total
from syntrans_mining.steps.candidate import Candidate, kept

NAMED = 8
"""Classes that a warning names."""


@dataclass
class StepRecord:
    """One step: seconds, rows before and after, what it dropped and why, what its models did."""

    name: str
    seconds: float = 0.0
    rows_in: int = 0
    rows_out: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    models: dict[str, Counts] = field(default_factory=dict)


@dataclass
class Report:
    """The steps of a run as they go by; seconds are sums over all ``legs`` of a run that was stopped."""

    steps: list[StepRecord] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    details: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What else a step has to say, by step: calibrations, chosen senses."""
    _leg: dict[str, float] = field(default_factory=dict)
    start: float = field(default_factory=time.perf_counter)
    legs: Legs = field(default_factory=Legs)

    @contextmanager
    def step(self, name: str, candidates: list[Candidate], dispatcher: Dispatcher) -> Iterator[None]:
        """Measure a step that changes ``candidates`` in place."""
        record = StepRecord(name, rows_in=len(kept(candidates)))
        begin = time.perf_counter()
        try:
            yield
        finally:
            self._leg[f"stage {name}"] = time.perf_counter() - begin
            self.save()
        record.seconds = round(self.legs.total(f"stage {name}", self._leg[f"stage {name}"]), 3)
        record.rows_out = len(kept(candidates))
        reasons = Counter(c.reason for c in candidates if c.stage == name and c.reason)
        record.dropped = dict(sorted(reasons.items()))
        self.steps.append(record)
        for earlier in self.steps:  # senses may also be asked for while models propose
            earlier.models = {
                model: counts for (step, model), counts in dispatcher.counts.items() if step == earlier.name
            }

    def loaded(self, seconds: Mapping[str, float], loads: Mapping[str, int]) -> tuple[dict[str, float], dict[str, int]]:
        """What this leg's models took to load, and how often; returns the sums over all legs."""
        self._leg |= {f"load {name}": s for name, s in seconds.items()}
        self._leg |= {f"loads {name}": n for name, n in loads.items()}
        self.save()
        sums = self.legs.totals(self._leg)
        took, times = (
            {key.removeprefix(kind): value for key, value in sums.items() if key.startswith(kind)}
            for kind in ("load ", "loads ")
        )
        return took, {name: round(n) for name, n in times.items()}

    def save(self) -> None:
        """Keep what this leg took until now."""
        self.legs.save({**self._leg, "wall": time.perf_counter() - self.start})

    def as_dict(self) -> dict[str, Any]:
        """The part of ``run.json`` that is about steps."""
        steps = {}
        for record in self.steps:
            values = asdict(record)
            del values["name"]
            done = total(record.models.values())
            if record.models and record.seconds:
                values["answers_per_second"] = round((done.asked + done.from_journal) / record.seconds, 1)
                tokens = done.prompt_tokens + done.completion_tokens
                values["tokens_per_second"] = round(tokens / record.seconds, 1)
            steps[record.name] = values
        rejected = Counter[str]()
        for record in self.steps:
            rejected.update(record.dropped)
        return {
            "wall_seconds": round(self.legs.total("wall", time.perf_counter() - self.start), 3),
            "stages": steps,
            "rejected": dict(sorted(rejected.items())),
            "skipped": self.skipped,
            "details": self.details,
        }


def step_table(run: dict[str, Any]) -> str:
    """The steps of a ``run.json`` as lines of text: rows in and out, what went and why, answers, seconds."""
    room = width_of(sys.stderr)
    lines = [f"{'step':<11}{'rows in':>8}{'rows out':>9}{'answers':>9}{'seconds':>9}  dropped"]
    for name, step in run["stages"].items():
        answers = sum(model["asked"] + model["from_journal"] for model in step["models"].values())
        dropped = ", ".join(f"{reason} {count}" for reason, count in step["dropped"].items())
        numbers = f"{step['rows_in']:>8}{step['rows_out']:>9}{answers or '':>9}{step['seconds']:>9.1f}"
        head = f"{name:<11}{numbers}  "
        lines += wrap(dropped, room, initial_indent=head, subsequent_indent=" " * len(head)) or [head.rstrip()]
    lines += [f"{name:<11} skipped: {why}" for name, why in run["skipped"].items()]
    if run["nothing_kept"]:
        lines += wrap(_without_descriptors(run["nothing_kept"], run["classes"]), min(room, 120))
    if run["failures"]:
        first = run["failures"][0]
        what = f"{first['stage']}, {first['model']}: {first['error']}"
        lines.append(f"{len(run['failures'])} requests have no answer, see failures in run.json; the first: {what}")
    lines.append(f"in all {run['wall_seconds']:.1f} s")
    return "\n".join(lines)


def _without_descriptors(names: Sequence[str], n_classes: int) -> str:
    some = ", ".join(names[:NAMED])
    if len(names) > NAMED:
        some += f" and {len(names) - NAMED} more (nothing_kept in run.json)"
    return (
        f"warning: nothing was kept of {len(names)} of {n_classes} classes, described by their name alone: {some}; "
        "`syntrans inspect RUN --class NAME` shows what was dropped and why"
    )
