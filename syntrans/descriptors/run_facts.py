"""What made a run, as its files tell it: models with licences, requests and tokens, hardware; one row of ``runs``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from syntrans.files.sealed_json import read_sealed_json

if TYPE_CHECKING:
    from syntrans.contract.rows import DescriptorRow, FileMetadata

_STAGE = pa.struct(
    {
        "stage": pa.string(),
        "seconds": pa.float64(),
        "rows_in": pa.int64(),
        "rows_out": pa.int64(),
        "dropped": pa.string(),
    }
)
_COUNTS = ("asked", "from_journal", "failed", "prompt_tokens", "completion_tokens")
_CALL = pa.struct({"stage": pa.string(), "model": pa.string(), **dict.fromkeys(_COUNTS, pa.int64())})
RUN_SCHEMA = pa.schema(
    {
        "run_id": pa.string(),
        "syntrans": pa.string(),
        "git_commit": pa.string(),
        "class_list_sha256": pa.string(),
        "classes": pa.int64(),
        "config": pa.string(),
        "models": pa.list_(
            pa.struct(dict.fromkeys(("name", "role", "path", "revision", "licence"), pa.string())),
        ),
        "prompts": pa.list_(pa.struct({"id": pa.string(), "sha256": pa.string()})),
        "package_versions": pa.list_(pa.struct({"package": pa.string(), "version": pa.string()})),
        "images_seen": pa.list_(pa.string()),
        "wall_seconds": pa.float64(),
        "hardware": pa.string(),
        "stages": pa.list_(_STAGE),
        "calls": pa.list_(_CALL),
    }
)


def read_report(path: Path) -> dict[str, Any]:
    """``run.json``; empty for imports, which have none."""
    return read_sealed_json(path, "mine into that folder again") if path.is_file() else {}


def models_of(rows: Iterable[DescriptorRow], meta: FileMetadata) -> list[dict[str, Any]]:
    """Name, role, path, revision and licence of every model; of an import, its authors."""
    config = meta.config
    listed = [("writes and judges", model) for model in config.get("llms", ()) if isinstance(model, Mapping)]
    listed += [("looks at pictures", config["vlm"])] if config.get("vlm") else []
    listed += [("compares texts and pictures", {"name": "clip", **config["clip"]})] if config.get("clip") else []
    further = (config.get("compose") or {}).get("encoders") or ()
    listed += [("embeds summaries", encoder) for encoder in further if isinstance(encoder, Mapping)]
    if not listed:
        authors = {(author.model, author.revision) for row in rows for author in row.authors}
        return [
            {"name": name, "role": "wrote", "path": name, "revision": revision, "licence": None}
            for name, revision in sorted(authors)
        ]
    return [
        {
            "name": model["name"],
            "role": role,
            "path": model["path"],
            "revision": meta.model_revisions.get(model["name"], "not recorded"),
            "licence": model.get("licence"),
        }
        for role, model in listed
    ]


def calls_of(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Requests and tokens by stage and model."""
    return [
        {"stage": stage, "model": model, **{key: int(counts.get(key, 0)) for key in _COUNTS}}
        for stage, values in report.get("stages", {}).items()
        for model, counts in values.get("models", {}).items()
    ]


def hardware_of(report: Mapping[str, Any]) -> str:
    """The machine in words; empty when it was not recorded."""
    hardware = report.get("hardware") or {}
    parts = [
        *hardware.get("gpus", ()),
        hardware.get("processor"),
        f"{hardware['cores']} cores" if hardware.get("cores") else None,
    ]
    return ", ".join(str(part) for part in parts if part)


def run_row(facts: Mapping[str, Any], meta: FileMetadata, report: Mapping[str, Any]) -> dict[str, Any]:
    """The row of a run, of `RUN_SCHEMA`; ``facts`` as `syntrans.descriptors.pack` collects them for the card."""
    stages = [
        {
            "stage": name,
            "seconds": values.get("seconds"),
            "rows_in": values.get("rows_in"),
            "rows_out": values.get("rows_out"),
            "dropped": json.dumps(values.get("dropped", {}), sort_keys=True),
        }
        for name, values in report.get("stages", {}).items()
    ]
    return {
        "run_id": meta.run_id,
        "syntrans": facts["version"],
        "git_commit": meta.git_commit,
        "class_list_sha256": meta.class_list_sha256,
        "classes": facts["classes"],
        "config": json.dumps(meta.config, sort_keys=True, ensure_ascii=False),
        "models": facts["models"],
        "prompts": [{"id": prompt["id"], "sha256": prompt["sha256"]} for prompt in facts["prompts"]],
        "package_versions": [{"package": name, "version": v} for name, v in sorted(meta.package_versions.items())],
        "images_seen": meta.images_seen,
        "wall_seconds": facts["wall_seconds"],
        "hardware": facts["hardware"] or None,
        "stages": stages,
        "calls": calls_of(report),
    }
