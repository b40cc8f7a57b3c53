"""`syntrans compare`: two evaluations, paired by episode."""

from __future__ import annotations

from typing import Annotated

import typer

from syntrans.cli.options import Json
from syntrans.console import print_json


def compare(
    a: Annotated[
        str, typer.Argument(help="Folder of an evaluation; add :ROW for another row than syntrans.", metavar="A")
    ],
    b: Annotated[str, typer.Argument(help="The evaluation to compare it with.", metavar="B")],
    json_: Json = False,
) -> None:
    """Compare two evaluations, paired by episode.

    \b
    syntrans compare artifacts/evaluate/20260101-120000-ab12 artifacts/evaluate/20260102-090000-cd34
    syntrans compare RUN:syntrans RUN:am3

    Both must have used the same frozen episodes. Prints the difference with its 95 % interval, how many episodes A
    wins, ties and loses, and the verdict.
    """
    from syntrans_training.evaluation.compare import compare as compare_runs
    from syntrans_training.evaluation.compare import render

    comparison = compare_runs(a, b)
    if json_:
        print_json(comparison)
    else:
        typer.echo(render(comparison))
