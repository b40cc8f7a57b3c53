"""The page of `syntrans mine --dry-run`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from syntrans.tables import add_row, as_text, duration, heading, line, size_of, table, width_of
from syntrans.text_safety import plain_text

if TYPE_CHECKING:
    from rich.console import RenderableType


def render_plan(plan: Mapping[str, Any], *, head: str, free_bytes: float) -> str:
    """The whole page as text; ``head`` says which config, classes and pictures it is about."""
    width = width_of()
    return "\n".join([as_text([line(head), *_parts(plan, free_bytes, width)], width), *_prompts(plan)])


def _parts(plan: Mapping[str, Any], free_bytes: float, width: int) -> Iterable[RenderableType]:
    yield from heading("models", _models(plan), width, ("revision", "licence", "role"))
    for model in plan["models"]:
        if model["problem"]:
            yield line(f"{model['name']}: {model['problem']}")
    yield line("")
    yield line("memory", style="bold")
    for words in plan["memory"]:
        yield line(f"  {words}")
    yield from heading("what is asked", _calls(plan), width)
    yield line("")
    for words in (*_time(plan), _disk(plan, free_bytes)):
        yield line(words)


def _models(plan: Mapping[str, Any]) -> Any:
    rows = table("name", "role", "model", "revision", "licence", ">weights", "state", whole=("name", "state"))
    for model in plan["models"]:
        revision = (model["revision"] or "latest")[:18]
        size = "unknown" if model["bytes"] is None else size_of(model["bytes"])
        licence = model["licence"] or "not stated"
        add_row(rows, model["name"], model["role"], model["path"], revision, licence, size, model["state"])
    return rows


def _calls(plan: Mapping[str, Any]) -> Any:
    rows = table("step", "model", ">requests", ">prompt tokens", ">answer tokens", ">seconds", whole=("step", "model"))
    seconds = plan["prediction"]["stage_seconds"] if plan["prediction"] else {}
    said: set[str] = set()
    for call in plan["calls"]:
        mark = "≤ " if call["most"] else ""
        counts = [f"{mark}{call[key]:,}" for key in ("requests", "prompt_tokens", "completion_tokens")]
        took = "" if call["stage"] in said or call["stage"] not in seconds else f"{seconds[call['stage']]:,.0f}"
        add_row(rows, "" if call["stage"] in said else call["stage"], call["model"], *counts, took)
        said.add(call["stage"])
    return rows


def _time(plan: Mapping[str, Any]) -> Iterable[str]:
    prediction = plan["prediction"]
    if prediction is None:
        yield "time: no figures yet for these models and prompts: --set plan.probe_seconds=30 measures them"
        yield "≤: the most that can be asked, second tries aside; tokens by rule of thumb"
        return
    loading = duration(prediction["fixed_seconds"])
    yield f"time: about {duration(prediction['seconds'])}, of which {loading} for loading, pictures and files"
    classes = f"{prediction['classes']} {'class' if prediction['classes'] == 1 else 'classes'}"
    yield f"from the figures of {prediction['source']} ({classes}); large batches run faster than small ones"
    if prediction["other_hardware"]:
        yield "that run was on other hardware: take its seconds as a hint only"
    if prediction["differs"]:
        yield f"that run had other values of {', '.join(prediction['differs'][:6])}"


def _disk(plan: Mapping[str, Any], free_bytes: float) -> str:
    parts = [f"disk: {size_of(plan['download_bytes'])} to download"] if plan["download_bytes"] else ["disk:"]
    if plan["prediction"]:
        parts.append(f"about {size_of(plan['prediction']['disk_bytes'])} of results and journal")
    parts.append(f"{size_of(free_bytes)} free")
    return ", ".join(parts).replace("disk:, ", "disk: ")


def _prompts(plan: Mapping[str, Any]) -> Iterable[str]:
    for prompt in plan["prompts"]:
        yield f"\nfirst request of {prompt['stage']}, to {prompt['model']}"
        for message in prompt["messages"]:
            picture = "[picture] " if message["picture"] else ""
            text = "\n    ".join(plain_text(part) for part in f"{picture}{message['text']}".split("\n"))
            yield f"  {message['role']}:\n    {text}"
