"""What a run did, stage by stage: the data of ``run.json`` and the table for people."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from syntrans_mining.asking import Asker, Counts, total
from syntrans_mining.candidates import Candidate, kept


@dataclass
class StageRecord:
    """One stage: seconds, rows before and after, what it dropped and why, what its models did."""

    name: str
    seconds: float = 0.0
    rows_in: int = 0
    rows_out: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    models: dict[str, Counts] = field(default_factory=dict)


@dataclass
class Report:
    """The stages of a run as they go by."""

    stages: list[StageRecord] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    details: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What else a stage has to say, by stage: calibrations, chosen senses."""
    start: float = field(default_factory=time.perf_counter)

    @contextmanager
    def stage(self, name: str, candidates: list[Candidate], asker: Asker) -> Iterator[None]:
        """Measure a stage that changes ``candidates`` in place."""
        record = StageRecord(name, rows_in=len(kept(candidates)))
        begin = time.perf_counter()
        yield
        record.seconds = round(time.perf_counter() - begin, 3)
        record.rows_out = len(kept(candidates))
        reasons = Counter(c.reason for c in candidates if c.stage == name and c.reason)
        record.dropped = dict(sorted(reasons.items()))
        self.stages.append(record)
        for known in self.stages:  # senses may also be asked for while models propose
            known.models = {model: counts for (stage, model), counts in asker.counts.items() if stage == known.name}

    def as_dict(self) -> dict[str, Any]:
        """The part of ``run.json`` that is about stages."""
        stages = {}
        for record in self.stages:
            values = asdict(record)
            del values["name"]
            done = total(record.models.values())
            if record.models and record.seconds:
                values["answers_per_second"] = round(done.asked / record.seconds, 1)
                tokens = done.prompt_tokens + done.completion_tokens
                values["tokens_per_second"] = round(tokens / record.seconds, 1)
            stages[record.name] = values
        rejected = Counter[str]()
        for record in self.stages:
            rejected.update(record.dropped)
        return {
            "wall_seconds": round(time.perf_counter() - self.start, 3),
            "stages": stages,
            "rejected": dict(sorted(rejected.items())),
            "skipped": self.skipped,
            "details": self.details,
        }


def stage_table(run: dict[str, Any]) -> str:
    """The stages of a ``run.json`` as lines of text: rows in and out, what went and why, answers, seconds."""
    lines = [f"{'stage':<11}{'rows in':>8}{'rows out':>9}{'answers':>9}{'seconds':>9}  dropped"]
    for name, stage in run["stages"].items():
        answers = sum(model["asked"] + model["from_journal"] for model in stage["models"].values())
        dropped = ", ".join(f"{reason} {count}" for reason, count in stage["dropped"].items())
        numbers = f"{stage['rows_in']:>8}{stage['rows_out']:>9}{answers or '':>9}{stage['seconds']:>9.1f}"
        lines.append(f"{name:<11}{numbers}  {dropped}".rstrip())
    lines += [f"{name:<11} skipped: {why}" for name, why in run["skipped"].items()]
    if run["failures"]:
        first = run["failures"][0]
        what = f"{first['stage']}, {first['model']}: {first['error']}"
        lines.append(f"{len(run['failures'])} requests have no answer, see failures in run.json; the first: {what}")
    lines.append(f"in all {run['wall_seconds']:.1f} s")
    return "\n".join(lines)
