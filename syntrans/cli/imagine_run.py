"""What `syntrans imagine` does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from syntrans.cli.inputs import WORLD, Chosen, descriptor_file, newest_descriptor_file
from syntrans.config import load_config
from syntrans.console import say
from syntrans.contract.imagined import IMAGINED
from syntrans.contract.reading import read_metadata
from syntrans.errors import UsageError
from syntrans.extras import require
from syntrans.runs.folder import removed_if_refused, run_dir

if TYPE_CHECKING:
    from syntrans_training.config.imagination import ImagineConfig

CONFIG, WORLD_CONFIG = "imagine", "imagine-world"


def run(
    descriptors: Path | None,
    config: str | None,
    settings: list[str],
    out: Path | None,
    limit: int | None,
    *,
    resume: bool,
    dry_run: bool,
) -> str:
    """Imagine; returns the path of the file, or the plan of a dry run."""
    require("imagine", "imagine")
    from syntrans_training.config.imagination import ImagineConfig
    from syntrans_training.imagination.imagine import imagine as make
    from syntrans_training.imagination.plan import plan

    taken = _descriptors(descriptors)
    file = Path(taken.what).absolute()
    name = config or _fitting_config(file)
    settled = load_config(ImagineConfig, name, kind="training/configs", overrides=settings)
    say(f"descriptors: {taken}; config: {name}")
    if dry_run:
        return plan(settled, file, limit)
    target = run_dir("imagine", out, _request(settled, file, limit), "run.json", resume=resume)
    say(f"imagining into {target}")
    with removed_if_refused(target):
        report = make(settled, file, out=target, limit=limit)
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(report["reasons"].items()))
    say(f"{report['kept']} of {report['pictures']} pictures are kept{f' ({reasons})' if reasons else ''}")
    say(f"look at them: {target / 'contact_sheet.png'}; train on them: syntrans train --config flier")
    return str(target / IMAGINED)


def _request(config: ImagineConfig, file: Path, limit: int | None) -> dict[str, object]:
    return {"config": config.model_dump(mode="json"), "descriptors": str(file), "limit": limit}


def _descriptors(given: Path | None) -> Chosen:
    if given is not None:
        return Chosen(str(descriptor_file(given)), "as named")
    newest = newest_descriptor_file()
    if newest is None:
        raise UsageError("there is no descriptor file; name one with --descriptors, or run `syntrans mine` first")
    return Chosen(str(newest), "the newest")


def _fitting_config(file: Path) -> str:
    """The world's where the descriptors are of the world's pictures."""
    pictures = read_metadata(file).pictures
    return WORLD_CONFIG if pictures is not None and pictures.path == WORLD else CONFIG
