"""`syntrans pack`: a run as a folder that can be published."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from syntrans.cli.options import Out
from syntrans.console import say


def pack(
    run: Annotated[Path, typer.Argument(help="Folder of a run of mine or import.", metavar="RUN")],
    out: Out = None,
) -> None:
    """Package a run for sharing.

    \b
    syntrans pack artifacts/mine/20260101-120000-ab12

    Parquet files (accepted, rejected, semantics, runs) with a dataset card that a hub reads, the prompts and the
    configuration. Paths of this machine and pictures are left out. Prints the folder.
    """
    from syntrans.descriptors.pack import pack as write
    from syntrans.descriptors.summary import descriptor_file
    from syntrans.paths import artifacts_root

    packed = write(run, out or artifacts_root() / "pack" / descriptor_file(run).absolute().parent.name)
    say(f"read {packed / 'README.md'} and choose a licence before you publish it")
    typer.echo(packed)
