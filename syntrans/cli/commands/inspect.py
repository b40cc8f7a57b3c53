"""`syntrans inspect`: a descriptor file in numbers, or two compared."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from syntrans.cli import completion
from syntrans.cli.options import Json
from syntrans.console import print_json


def inspect(
    file: Annotated[Path, typer.Argument(help="A descriptors.parquet, or its folder.")],
    class_: Annotated[
        str | None,
        typer.Option(
            "--class", help="Show this class in full: id or name.", metavar="NAME", autocompletion=completion.classes
        ),
    ] = None,
    other: Annotated[
        Path | None, typer.Option("--diff", help="Another file or folder to compare with.", metavar="FILE")
    ] = None,
    json_: Json = False,
) -> None:
    """Summarise a descriptor file, or compare two.

    \b
    syntrans inspect artifacts/mine/20260101-120000-ab12 --class goldfinch
    syntrans inspect artifacts/mine/20260101-120000-ab12 --diff artifacts/mine/20260102-090000-cd34
    """
    from syntrans.descriptors import diff
    from syntrans.descriptors.summary import descriptor_file, summarise
    from syntrans.tables import console
    from syntrans.views import summary as inspect_view

    if other is None:
        summary = summarise(descriptor_file(file), class_)
        show = inspect_view.render
    else:
        summary = diff.diff(descriptor_file(file), descriptor_file(other), class_)
        show = diff.render
    if json_:
        print_json(summary)
    else:
        show(summary, console())
