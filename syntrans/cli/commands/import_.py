"""`syntrans import`: published descriptions as descriptors.parquet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from syntrans.cli import completion
from syntrans.cli.options import Classes, Out
from syntrans.console import say


def import_(
    files: Annotated[
        list[Path],
        typer.Argument(help="JSON of class names, each with a list of descriptions; or JSON lines.", metavar="FILE..."),
    ],
    format_: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            help="cupl, dclip or jsonl: once for all files or once per file; default: detected.",
            autocompletion=completion.one_of("cupl", "dclip", "jsonl"),
        ),
    ] = None,
    classes: Classes = None,
    out: Out = None,
) -> None:
    """Convert published descriptions to descriptors.parquet.

    \b
    syntrans import cupl_descriptions.json --format cupl
    syntrans import cupl.json dclip.json mine.jsonl --classes cub

    \b
    One line of jsonl; class and text are required:
    {"class": "house finch", "text": "a red breast", "id": "n01532829", "facet": "colour",
     "author": "org/model", "revision": "main", "prompt": "describe.v1"}

    Several files are merged class by class. A text that a source repeats is one row with a higher count. --classes
    gives the ids and drops all other classes. Prints the path of descriptors.parquet.
    """
    from syntrans.descriptors.importers import import_descriptions
    from syntrans.images.class_lists import read_classes
    from syntrans.paths import run_path

    entries = read_classes(classes) if classes else None
    done = import_descriptions(files, out or run_path("import"), entries, format_ or ())
    for line in done.messages():
        say(line)
    typer.echo(done.descriptors)
