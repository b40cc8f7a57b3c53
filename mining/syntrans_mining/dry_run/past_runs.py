"""What earlier runs took: the requests, tokens, seconds and bytes a class cost, from the ``run.json`` they left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from syntrans.config import dotted, load_saved
from syntrans.errors import SyntransError
from syntrans.files.input_files import read_json
from syntrans.provenance import hardware

if TYPE_CHECKING:
    from syntrans_mining.config import MiningConfig

# A run that differs in one of these asks other questions, or other models: its figures say nothing about this one.
_DECIDING = (
    "llms", "vlm", "clip", "engine", "lint", "propose", "contrast", "merge", "crosscheck.prompt", "ground.prompt",
    "ground.images", "ground.max_pixels", "compose.llm", "compose.prompt", "compose.support", "compose.encoders",
)  # fmt: skip
_MOSTLY_ASKED = 0.9  # of the answers; a run that took more from its cache was faster than it would be again


@dataclass(frozen=True)
class PastRun:
    """What one class cost in the run ``source``; ``fixed_seconds`` is what does not grow with the classes.

    ``calls``: (requests, prompt tokens, completion tokens) by (step, model). ``differs``: settings that are not
    those planned for, but do not change what is asked, only how much.
    """

    source: str
    classes: int
    fixed_seconds: float
    step_seconds: Mapping[str, float]
    calls: Mapping[tuple[str, str], tuple[float, float, float]]
    disk_bytes: float
    differs: tuple[str, ...]
    other_hardware: bool


def latest_past_run(config: MiningConfig, root: Path, *, pictures: bool) -> PastRun | None:
    """The newest run below ``root`` with these models and prompts, on this machine if there is one; None without."""
    fitting = list(_all(config, root, pictures=pictures))
    return next((run for run in fitting if not run.other_hardware), fitting[0] if fitting else None)


def _all(config: MiningConfig, root: Path, *, pictures: bool) -> Iterator[PastRun]:
    """The runs, newest first."""
    run_files = [path for pattern in ("mine/*/run.json", "cache/probe/*/run.json") for path in root.glob(pattern)]
    wanted = dotted(config.model_dump(mode="json"))
    for path in sorted(run_files, key=lambda path: path.stat().st_mtime_ns, reverse=True):
        try:
            run = read_json(path, "a plan does without")
            differing = _differing(
                wanted, dotted(load_saved(type(config), path.parent / "config.yaml").model_dump(mode="json"))
            )
            same = bool(run["images_seen"]) == pictures and not any(key.startswith(_DECIDING) for key in differing)
            if same and _asked_share(run) >= _MOSTLY_ASKED:
                yield _past_run(run, path, differing)
        except (OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, SyntransError):
            continue  # of an earlier version, or not ours: a plan does without


def _differing(a: Mapping[str, Any], b: Mapping[str, Any]) -> tuple[str, ...]:
    telling = ("licence", "size_gb")
    keys = sorted(key for key in a.keys() | b.keys() if a.get(key) != b.get(key))
    return tuple(key for key in keys if not key.endswith(telling) and not key.startswith("plan"))


def _asked_share(run: Mapping[str, Any]) -> float:
    counts = [counts for step in run["stages"].values() for counts in step["models"].values()]
    n_asked, known = (sum(count[key] for count in counts) for key in ("asked", "from_journal"))
    return n_asked / (n_asked + known) if n_asked else 0.0


def _past_run(run: Mapping[str, Any], path: Path, differs: tuple[str, ...]) -> PastRun:
    classes = int(run["classes"])
    steps = run["stages"]
    seconds = {name: float(step["seconds"]) for name, step in steps.items()}
    # The first step waits for its models: what they took to load is in its seconds, and does not grow.
    first = next(iter(seconds))
    waited = min(seconds[first], sum(run["load_seconds"].get(model, 0.0) for model in steps[first]["models"]))
    fixed = max(0.0, float(run["wall_seconds"]) - sum(seconds.values())) + waited
    seconds[first] -= waited
    calls = {
        (step, model): _per_class(counts, classes)
        for step, values in steps.items()
        for model, counts in values["models"].items()
    }
    size = sum(file.stat().st_size for file in path.parent.iterdir() if file.is_file())
    return PastRun(
        source=str(path.parent),
        classes=classes,
        fixed_seconds=fixed,
        step_seconds={name: value / classes for name, value in seconds.items()},
        calls=calls,
        disk_bytes=size / classes,
        differs=differs,
        other_hardware=run["hardware"] != hardware(),
    )


def _per_class(counts: Mapping[str, int], classes: int) -> tuple[float, float, float]:
    requests = counts["asked"] + counts["from_journal"]
    return requests / classes, counts["prompt_tokens"] / classes, counts["completion_tokens"] / classes
