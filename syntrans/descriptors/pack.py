"""A run as a folder that is ready for a dataset hub: Parquet files, a card, the prompts and the configuration.

Layout as the Hugging Face Hub reads it: ``data/<config>-00000-of-00001.parquet``, ``README.md`` with ``configs:``.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from syntrans import __version__
from syntrans.config import dotted
from syntrans.contract.identity import notes_of_run
from syntrans.contract.parquet import rows_to_table, to_pairs, write_table
from syntrans.contract.reading import read_descriptors, read_semantics
from syntrans.contract.writing import write_descriptors, write_semantics
from syntrans.descriptors.card import card
from syntrans.descriptors.run_facts import RUN_SCHEMA, calls_of, hardware_of, models_of, read_report, run_row
from syntrans.descriptors.summary import descriptor_file, short
from syntrans.errors import InputError
from syntrans.paths import atomic_write_bytes, atomic_write_text, disk_problem, is_hub_id, make_dir, shipped_dir

if TYPE_CHECKING:
    from syntrans.contract.rows import DescriptorRow, FileMetadata

WHAT = {
    "accepted": "statements that passed every stage",
    "rejected": "statements that did not, each with stage and reason",
    "semantics": "one summary and one vector per class",
    "runs": "what was run: configuration, models, prompts, pictures seen, requests, tokens, seconds",
}
ENGLISH_FORMATS = ("cupl", "dclip")
"""What is published in them is in English; JSON lines may be in any language."""
THRESHOLD_SECTIONS = ("merge", "crosscheck", "ground", "filter")


def pack(run: Path, out: Path) -> Path:
    """Write the packed folder of ``run``, a run's folder or its descriptors.parquet, whole or not at all; returns
    ``out``. It is filled under another name beside it; what a killed `pack` left there is removed first.

    Paths and addresses of the machine stay at home: of a model from a folder only the folder's name is told.
    InputError if the run is not finished, or ``out`` holds something already.
    """
    source = descriptor_file(run)
    if out.exists() and any(out.iterdir() if out.is_dir() else [out]):
        raise InputError(f"{out} is not empty; remove it, or choose another --out")
    filling = out.with_name(f".{out.name}.filling")
    shutil.rmtree(filling, ignore_errors=True)
    try:
        _fill(filling, source)
        filling.replace(out)
    except OSError as error:
        raise disk_problem(out, error) from error
    finally:
        shutil.rmtree(filling, ignore_errors=True)
    return out


def _fill(out: Path, source: Path) -> None:
    rows, meta = read_descriptors(source)
    notes = {"notes": meta.notes | notes_of_run(source.parent)}
    meta = meta.model_copy(update={"config": without_places(meta.config), "pictures": None, **notes})
    report = read_report(source.parent / "run.json")
    prompts = _attach_prompts(meta, out)
    parts = _write_data(source.parent, rows, meta, make_dir(out / "data"))
    facts = _facts(rows, meta, report, prompts)
    write_table(_file(out, "runs"), rows_to_table([run_row(facts, meta, report)], RUN_SCHEMA), to_pairs(meta))
    parts["runs"] = 1
    atomic_write_text(out / "config.yaml", yaml.safe_dump(meta.config, sort_keys=False, allow_unicode=True))
    named = [{"name": name, "file": f"data/{_name(name)}", "rows": n, "what": WHAT[name]} for name, n in parts.items()]
    atomic_write_text(out / "README.md", card(facts, named))


def without_places(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration without this machine's paths and addresses."""
    return {key: _without_place(value) for key, value in config.items()}


def _without_place(value: Any) -> Any:
    if isinstance(value, Mapping):
        return without_places(value)
    if isinstance(value, list | tuple):
        return [_without_place(item) for item in value]
    if not isinstance(value, str) or value.startswith("package:") or is_hub_id(value):
        return value
    if "://" in value:
        return "not told"
    is_path = Path(value).is_absolute() or value.startswith("~") or ("/" in value and not re.search(r"\s", value))
    return Path(value).name if is_path else value


def _name(part: str) -> str:
    return f"{part}-00000-of-00001.parquet"


def _file(out: Path, part: str) -> Path:
    return out / "data" / _name(part)


def _write_data(run: Path, rows: Sequence[DescriptorRow], meta: FileMetadata, data: Path) -> dict[str, int]:
    """The Parquet files that have rows; rows by config."""
    parts: dict[str, int] = {}
    for name, chosen in (
        ("accepted", [row for row in rows if row.kept]),
        ("rejected", [row for row in rows if not row.kept]),
    ):
        if chosen or name == "accepted":
            write_descriptors(data / _name(name), chosen, meta)
            parts[name] = len(chosen)
    if (run / "semantics.parquet").is_file():
        semantics, about = read_semantics(run / "semantics.parquet")
        semantics = [row.model_copy(update={"encoder": _without_place(row.encoder)}) for row in semantics]
        notes = {"notes": about.notes | notes_of_run(run)}
        about = about.model_copy(update={"config": without_places(about.config), "pictures": None, **notes})
        write_semantics(data / _name("semantics"), semantics, about)
        parts["semantics"] = len(semantics)
    return parts


def _attach_prompts(meta: FileMetadata, out: Path) -> list[dict[str, Any]]:
    """Copies of the prompt files whose content is still what the run used."""
    attached = []
    for prompt, sha256 in sorted(meta.prompt_sha256.items()):
        path = shipped_dir("prompts") / f"{prompt}.yaml"
        data = path.read_bytes() if path.is_file() else b""
        unchanged = hashlib.sha256(data).hexdigest() == sha256
        if unchanged:
            atomic_write_bytes(out / "prompts" / path.name, data)
        attached.append({"id": prompt, "sha256": sha256, "file": f"prompts/{path.name}" if unchanged else None})
    return attached


def _facts(
    rows: Sequence[DescriptorRow], meta: FileMetadata, report: Mapping[str, Any], prompts: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """The numbers and names from which the card is written."""
    kept = [row for row in rows if row.kept]
    dropped = Counter((row.stage, row.reason) for row in rows if not row.kept)
    models = models_of(rows, meta)
    skipped = meta.notes.get("skipped")
    mined = bool(meta.model_revisions)
    return {
        "name": f"Visual descriptors of {len({row.class_id for row in rows}):,} classes",
        "run_id": meta.run_id,
        "version": meta.package_versions.get("syntrans", __version__),
        "mined": mined,
        "english": all(prompt["file"] for prompt in prompts) if mined else meta.config.get("format") in ENGLISH_FORMATS,
        "imported_from": None if mined else str(meta.config.get("format") or "unknown"),
        "rejected": len(rows) - len(kept),
        "world": any(str(model["path"]).startswith("package:syntrans_world") for model in models),
        "source": meta.notes.get("source"),
        "classes": len({row.class_id for row in rows}),
        "kept": len(kept),
        "examples": _examples(kept),
        "models": models,
        "licences_missing": [model["name"] for model in models if not model["licence"]],
        "prompts": prompts,
        "thresholds": dotted({name: meta.config[name] for name in THRESHOLD_SECTIONS if name in meta.config}),
        "skipped": skipped if isinstance(skipped, dict) else {},
        "dropped": [{"stage": s, "reason": r, "rows": n} for (s, r), n in dropped.most_common()],
        "calls": [{**call, "requests": call["asked"] + call["from_journal"]} for call in calls_of(report)],
        "wall_seconds": report.get("wall_seconds"),
        "hardware": hardware_of(report),
        "images_seen": len(meta.images_seen),
    }


def _examples(kept: Sequence[DescriptorRow], n: int = 5) -> list[dict[str, str]]:
    """The best statement of the first classes."""
    first: dict[str, DescriptorRow] = {}
    for row in kept:
        if row.class_id not in first or (row.rank or 0) < (first[row.class_id].rank or 0):
            first[row.class_id] = row
    return [
        {
            "class_name": row.class_name,
            "text": row.text,
            "authors": ", ".join(dict.fromkeys(short(author.model) for author in row.authors)),
        }
        for row in list(first.values())[:n]
    ]
