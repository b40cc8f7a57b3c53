"""`syntrans imagine`: pictures and latents of a diffusion model, made from descriptors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from syntrans.cli.inputs import WORLD, Chosen, descriptor_file, newest_descriptor_file
from syntrans.cli.options import Config, Device, DryRun, Out, Resume, Set, overrides
from syntrans.console import say
from syntrans.errors import UsageError
from syntrans.packages.extras import require

if TYPE_CHECKING:
    from syntrans_training.config.imagination import ImagineConfig

CONFIG, WORLD_CONFIG = "imagine", "imagine-world"


def imagine(
    descriptors: Annotated[
        Path | None, typer.Option(help="descriptors.parquet or its run; default: the newest.", metavar="RUN|FILE")
    ] = None,
    config: Config = None,
    set_: Set = None,
    out: Out = None,
    limit: Annotated[int | None, typer.Option(help="Only the first N classes.", metavar="N", min=1)] = None,
    device: Device = None,
    resume: Resume = True,
    dry_run: DryRun = False,
) -> None:
    """Imagine pictures of classes: a diffusion model reads the descriptors.

    \b
    syntrans imagine --config imagine-world
    syntrans imagine --descriptors artifacts/mine/RUN --set model=FOLDER --dry-run
    syntrans imagine --descriptors artifacts/mine/RUN --set model=FOLDER --set per_class=64

    Takes any latent diffusion model in diffusers' format with safetensors; none is a default. --dry-run shows the
    model, its licence, the pictures, their size and time. The same command resumes an unfinished run. CLIP judges every
    picture; what it takes for another class is marked, not deleted. Prints the path of imagined.parquet.
    """
    settings = overrides(set_, device=device)
    typer.echo(run(descriptors, config, settings, out, limit, resume=resume, dry_run=dry_run))


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
    from syntrans.config import load_config
    from syntrans.contract.imagined import IMAGINED
    from syntrans.runs.folder import removed_if_refused, run_dir
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
    from syntrans.contract.reading import read_metadata

    pictures = read_metadata(file).pictures
    return WORLD_CONFIG if pictures is not None and pictures.path == WORLD else CONFIG
