"""What bare `syntrans` says: what lies in the artifacts, what to do next, and the commands."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from syntrans.contract.reading import read_metadata
from syntrans.errors import SyntransError
from syntrans.paths import artifacts_root, newest
from syntrans.runs.file_names import REQUEST, SUMMARY, TRAIN_REPORT


class Step(NamedTuple):
    """What was found, and the command that goes on from there."""

    found: str
    command: str


def next_step() -> Step:
    """The furthest that the artifacts have come, by the newest file of each kind."""
    if unfinished := _unfinished("mine", "run.json"):
        return Step(f"{unfinished} was not finished", "the same `syntrans mine` again goes on there")
    files = [path for kind in ("mine", "import") if (path := newest(kind, "descriptors.parquet"))]
    if not files:
        return Step(
            f"{artifacts_root()} holds no descriptors yet",
            "syntrans mine --classes birds.txt --images photos/     (or first: syntrans demo)",
        )
    file = max(files, key=lambda path: path.stat().st_mtime_ns)
    if unfinished := _unfinished("train", TRAIN_REPORT):
        return Step(f"{unfinished} was not finished", "the same `syntrans train` again goes on there")
    training, evaluation = newest("train", TRAIN_REPORT), newest("evaluate", SUMMARY)
    if training is None or training.stat().st_mtime_ns < file.stat().st_mtime_ns:
        return Step(f"{file} has not been trained on", f"syntrans train{_images(file)}")
    if evaluation is None or evaluation.stat().st_mtime_ns < training.stat().st_mtime_ns:
        return Step(f"{training.parent} has not been evaluated", "syntrans evaluate")
    runs = f"{file.parent} {training.parent} {evaluation.parent}"
    return Step(f"{evaluation.parent} is evaluated", f"syntrans report {runs}")


def render(program: Any) -> str:
    """Next step and commands, for people; `program` is the command line's root."""
    step = next_step()
    lines = [step.found, f"next: {step.command}", "", "Commands:"]
    width = max(map(len, program.commands))
    lines += [f"  {name:<{width}}  {command.get_short_help_str(60)}" for name, command in program.commands.items()]
    return "\n".join([*lines, "", "syntrans COMMAND --help says more; docs/quickstart.md walks through."])


def _images(file: Path) -> str:
    """What `train` must be told beside the file: the pictures, where it does not name them."""
    try:
        return "" if read_metadata(file).pictures else " --images DIR"
    except SyntransError:
        return ""


def _unfinished(kind: str, finished: str) -> Path | None:
    """The newest run of a kind, where it has not finished."""
    runs = sorted((artifacts_root() / kind).glob(f"*/{REQUEST}"))
    return runs[-1].parent if runs and not (runs[-1].parent / finished).exists() else None
