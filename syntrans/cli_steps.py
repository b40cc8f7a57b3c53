"""What the commands do: find the inputs that were not named, then one call of mining or training.

The only place besides the demo that knows both.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from syntrans.classes import ClassEntry, class_list_sha256, lint, read_classes, require_clean
from syntrans.config import dump_config, load_config, semantic_hash
from syntrans.errors import UsageError
from syntrans.images import ImageRef, match_classes, open_images
from syntrans.paths import artifacts_root, atomic_write_text, make_dir, new_run_dir, newest

WORLD = "world"
_REQUEST = "request.json"


def say(message: str) -> None:
    """One line on stderr."""
    print(f"syntrans: {message}", file=sys.stderr, flush=True)  # noqa: T201 - the command line's own voice


def check_classes(source: str) -> tuple[dict[str, Any], str]:
    """The findings about a class list, as plain values and as text."""
    entries = read_classes(source)
    findings = [finding._asdict() for finding in lint(entries)]
    errors = sum(finding["level"] == "error" for finding in findings)
    counts = {"classes": len(entries), "errors": errors, "warnings": len(findings) - errors}
    lines = [f"{finding['level']:<8} {finding['rule']:<15} {finding['message']}" for finding in findings]
    total = f"{source}: {counts['classes']} classes, {errors} errors, {counts['warnings']} warnings"
    return {"file": source, **counts, "findings": findings}, "\n".join([*lines, total])


def mine(
    classes: str | None,
    images: Path | None,
    config: str | None,
    settings: Sequence[str],
    out: Path | None,
    limit: int | None,
    *,
    resume: bool,
    dry_run: bool,
) -> str:
    """Mine; returns the path of descriptors.parquet, or the plan of a dry run."""
    from syntrans_mining.config import MiningConfig

    from syntrans.machine import fitting_mining_config

    name = config or fitting_mining_config()
    settled = load_config(MiningConfig, name, kind="mining/configs", overrides=settings)
    is_world = Path(name).stem == WORLD
    if classes is None and not is_world:
        raise UsageError("mine needs --classes: a file with one class a line, a built-in list, or --config world")
    entries = read_classes(classes or WORLD)
    for warning in require_clean(entries):
        say(f"{warning.level}: {warning.message}")
    if dry_run:
        plan = f"# config {name}, {len(entries[:limit])} classes, images: {images or (is_world and 'world') or 'none'}"
        return f"{plan}\n{dump_config(settled)}".rstrip()
    if images is None and is_world:
        images = export_world()
    pictures = _pictures(images, entries[:limit])
    request = {
        "config": settled.model_dump(mode="json"),
        "classes": class_list_sha256(entries),
        "images": None if images is None else str(images),
        "limit": limit,
    }
    target = run_dir("mine", out, request, "descriptors.parquet", resume=resume)
    say(f"mining {len(entries[:limit])} classes with config {name} into {target}")

    from syntrans_mining.pipeline import mine as mine_classes

    result = mine_classes(settled, entries, pictures, target, limit=limit, resume=resume)
    say(f"look at it: syntrans inspect {result.descriptors}")
    return str(result.descriptors)


def train(
    descriptors: Path | None,
    config: str | None,
    settings: Sequence[str],
    out: Path | None,
    *,
    resume: bool,
    dry_run: bool,
) -> str:
    """Train; returns the folder of the checkpoint, or the plan of a dry run."""
    raise NotImplementedError


def evaluate(
    checkpoint: Path | None,
    config: str | None,
    settings: Sequence[str],
    out: Path | None,
    *,
    dry_run: bool,
    as_json: bool,
) -> str:
    """Evaluate; returns the table or the summary as JSON, or the plan of a dry run."""
    raise NotImplementedError


def export_world(per_class: int = 60) -> Path:
    """The embedded world's pictures, drawn once into the cache."""
    from syntrans_training.world.export import export

    return export(artifacts_root() / "cache" / WORLD, per_class=per_class)


def run_dir(kind: str, out: Path | None, request: dict[str, Any], finished: str, *, resume: bool) -> Path:
    """The folder to work in: ``out``, else an unfinished run of the same request, else a new one.

    A run counts as finished when it has the file ``finished``.
    """
    if out is not None:
        return make_dir(out)
    wanted = semantic_hash(request)
    for path in sorted((artifacts_root() / kind).glob(f"*/{_REQUEST}"), reverse=True) if resume else ():
        if not (path.parent / finished).exists() and json.loads(path.read_text())["hash"] == wanted:
            say(f"going on with the unfinished run {path.parent}")
            return path.parent
    target = new_run_dir(kind)
    atomic_write_text(target / _REQUEST, json.dumps({"hash": wanted, **request}, indent=2, ensure_ascii=False))
    return target


def newest_descriptors() -> Path | None:
    """The newest descriptors.parquet, mined or imported."""
    found = [path for kind in ("mine", "import") if (path := newest(kind, "descriptors.parquet"))]
    return max(found, key=lambda path: path.stat().st_mtime_ns, default=None)


def _pictures(images: Path | None, entries: Sequence[ClassEntry]) -> dict[str, list[ImageRef]] | None:
    return None if images is None else match_classes(open_images(images), entries)
