"""`syntrans imagine`: pictures and latents of a diffusion model, made from descriptors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from syntrans.cli.on_demand import App
from syntrans.cli.options import CONTEXT, Config, Device, DryRun, Out, Resume, Set

app = App()


@app.command(context_settings=CONTEXT)
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
    from syntrans.cli.imagine_run import run

    told = [*(set_ or []), *([] if device is None else [f"device={device}"])]
    typer.echo(run(descriptors, config, told, out, limit, resume=resume, dry_run=dry_run))
