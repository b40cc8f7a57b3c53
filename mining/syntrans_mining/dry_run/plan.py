"""What a run would do, before it does it: models, licences, downloads, requests, tokens, time, memory, disk.

Nothing is loaded or fetched. Counts come from a dry run of the real steps, seconds from an earlier run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from syntrans.errors import EnvironmentProblem, ModelLoadError, SyntransError
from syntrans.files.bounded_yaml import parse_yaml
from syntrans.paths import hub_is_offline, is_hub_id, resolve_model
from syntrans_mining.dry_run.past_runs import PastRun, latest_past_run
from syntrans_mining.dry_run.request_counter import RequestCounts, Tally, count_requests
from syntrans_mining.models import CLIP, check_chat_template, check_model_dir, resolve_models, revision_of
from syntrans_mining.placement.hosting import memory_plan_of
from syntrans_mining.placement.load_order import ModelUses, model_uses_of

if TYPE_CHECKING:
    from syntrans.classes.entries import ClassEntry
    from syntrans_mining.config import MiningConfig
    from syntrans_mining.models_config import ClipConfig, EncoderConfig, ModelConfig

AnyModel: TypeAlias = "ModelConfig | ClipConfig | EncoderConfig"
ENCODERS = (CLIP, "encoder")
CHARACTERS_PER_TOKEN = 4  # of English text, a rule of thumb; only until a run has counted


def make_plan(
    config: MiningConfig, entries: Sequence[ClassEntry], artifacts: Path, *, pictures: bool
) -> dict[str, Any]:
    """Everything that a plan's page shows, as plain values."""
    models = [model_line(config, model, role) for model, role in configured_models(config)]
    past = latest_past_run(config, artifacts, pictures=pictures)
    counts = count_requests(config, entries, pictures=pictures)
    n_classes = len(entries)
    return {
        "schema_version": 1,
        "classes": n_classes,
        "models": models,
        "download_bytes": sum(model["bytes"] or 0 for model in models if model["state"] == "to download"),
        "memory": _memory(config, models, model_uses_of(config, entries, pictures=pictures)),
        "calls": _calls(counts, past, n_classes),
        "prediction": past and _prediction(past, n_classes),
        "prompts": [
            {"stage": step, "model": model, "messages": [_message(message) for message in messages]}
            for step, (model, messages) in counts.first.items()
        ],
    }


def configured_models(config: MiningConfig) -> list[tuple[AnyModel, str]]:
    """Every model of the configuration and its role, in the order in which they are needed."""
    return [
        *((model, "llm") for model in config.llms),
        *([(config.vlm, "vlm")] if config.vlm else []),
        *([(config.clip, CLIP)] if config.clip else []),
    ]


def model_line(config: MiningConfig, model: AnyModel, role: str) -> dict[str, Any]:
    """One model: where it is, which revision, under which licence, how large. Looks, and fetches nothing."""
    line: dict[str, Any] = {
        "name": getattr(model, "name", CLIP),
        "role": role,
        "path": model.path,
        "revision": None,
        "licence": model.licence,
        "bytes": None if model.size_gb is None else int(model.size_gb * 1e9),
        "state": "here",
        "problem": None,
    }
    if config.engine.kind == "fake":
        return line | {"state": "fake"}
    if config.engine.kind == "openai" and role not in ENCODERS:
        return line | {"state": "on the server"}
    try:
        folder = resolve_model(model.path, download=False)
    except (ModelLoadError, EnvironmentProblem) as error:
        return line | _absent(model.path, error)
    line |= {"revision": revision_of(folder), "licence": model.licence or card_licence(folder)}
    line["bytes"] = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    try:
        if role in ENCODERS:
            is_clip = role == CLIP or (folder / "open_clip_config.json").is_file()
            check_model_dir(folder, config_file="open_clip_config.json" if is_clip else "config.json")
        else:
            check_model_dir(folder, ignore_auto_map=getattr(model, "ignore_auto_map", False))
            check_chat_template(folder)
    except ModelLoadError as error:
        line |= {"state": "unusable", "problem": str(error)}
    stated = card_licence(folder)
    if model.licence and stated and model.licence != stated and not line["problem"]:
        line["problem"] = f"the config says {model.licence}, the model's own card {stated}"
    return line


def card_licence(folder: Path) -> str | None:
    """The licence that a model's own card (``README.md``) states; None without a card or a statement."""
    card = folder / "README.md"
    if not card.is_file():
        return None
    parts = card.read_text(encoding="utf-8", errors="replace").split("---\n", 2)
    try:
        front = parse_yaml(parts[1]) if len(parts) == 3 and not parts[0].strip() else None
    except ValueError:
        return None
    licence = front.get("license") if isinstance(front, dict) else None
    return licence if isinstance(licence, str) else None


def _absent(path: str, error: SyntransError) -> dict[str, Any]:
    revision = path.partition("@")[2] or None
    if is_hub_id(path) and not hub_is_offline():
        return {"state": "to download", "revision": revision}
    return {"state": "missing", "revision": revision, "problem": str(error)}


def _memory(config: MiningConfig, models: Sequence[Mapping[str, Any]], uses: ModelUses) -> list[str]:
    """What is in memory when, in words."""
    if config.engine.kind != "vllm":
        return ["the language models run elsewhere"]
    absent = [model["name"] for model in models if model["state"] != "here"]
    if absent:
        total = sum(model["bytes"] or 0 for model in models)
        return [f"planned once all models are here; their weights are {total / 1e9:.1f} GB as stored"]
    try:
        resolved = resolve_models(config)
        return memory_plan_of(config, resolved if uses.vlm else replace(resolved, vlm=None), uses).lines()
    except SyntransError as error:
        return [str(error)]


def _calls(counts: RequestCounts, past: PastRun | None, n_classes: int) -> list[dict[str, Any]]:
    """Requests and tokens by step and model. ``most``: nothing measured them, so they are an upper bound."""
    scale = n_classes / counts.classes if counts.classes else 0.0
    rows = []
    steps = list(dict.fromkeys(step for step, _ in counts.tallies))
    for (step, model), tally in sorted(counts.tallies.items(), key=lambda item: steps.index(item[0][0])):
        per_class = past.calls.get((step, model)) if past else None
        row = _measured(per_class, n_classes) if per_class else _bound(tally, scale)
        rows.append({"stage": step, "model": model, **row})
    return rows


def _measured(per_class: tuple[float, float, float], n_classes: int) -> dict[str, Any]:
    requests, prompt, completion = (round(value * n_classes) for value in per_class)
    return {"most": False, "requests": requests, "prompt_tokens": prompt, "completion_tokens": completion}


def _bound(tally: Tally, scale: float) -> dict[str, Any]:
    return {
        "most": True,
        "requests": round(tally.requests * scale),
        "prompt_tokens": round(tally.characters * scale / CHARACTERS_PER_TOKEN),
        "completion_tokens": round(tally.max_answer_tokens * scale),
    }


def _prediction(past: PastRun, n_classes: int) -> dict[str, Any]:
    steps = {step: seconds * n_classes for step, seconds in past.step_seconds.items()}
    return {
        "seconds": past.fixed_seconds + sum(steps.values()),
        "fixed_seconds": past.fixed_seconds,
        "stage_seconds": steps,
        "disk_bytes": past.disk_bytes * n_classes,
        "source": past.source,
        "classes": past.classes,
        "differs": list(past.differs),
        "other_hardware": past.other_hardware,
    }


def _message(message: Any) -> dict[str, Any]:
    return {"role": message.role, "text": message.text, "picture": message.picture}
