"""Commands on files that are already there: class lists, descriptor files, data, results.

A command's body reads its options and makes one call; see `cli.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from syntrans.cli_options import CONTEXT, Classes, Json, Out
from syntrans.output import print_json, say

app = typer.Typer(rich_markup_mode=None)
classes_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Check class lists.")
app.add_typer(classes_app, name="classes")


@app.command(context_settings=CONTEXT)
def inspect(
    file: Annotated[Path, typer.Argument(help="A descriptors.parquet, or the folder it lies in.")],
    class_: Annotated[
        str | None, typer.Option("--class", help="The class to show in full: id or name.", metavar="NAME")
    ] = None,
    json_: Json = False,
) -> None:
    """Show what a descriptor file says.

    \b
    syntrans inspect artifacts/mine/20260101-120000-ab12/descriptors.parquet --class goldfinch
    """
    from syntrans.inspect import render, summarise

    summary = summarise(file / "descriptors.parquet" if file.is_dir() else file, class_)
    if json_:
        print_json(summary)
    else:
        render(summary, _console())


@app.command("import", context_settings=CONTEXT)
def import_(
    file: Annotated[Path, typer.Argument(help="JSON: class names, each with a list of descriptions.")],
    format_: Annotated[str, typer.Option("--format", help="cupl or dclip.", metavar="NAME")],
    classes: Classes = None,
    out: Out = None,
) -> None:
    """Bring published descriptions into the contract.

    \b
    syntrans import cupl_descriptions.json --format cupl

    Prints the path of descriptors.parquet.
    """
    from syntrans.classes import read_classes
    from syntrans.importers import import_descriptions
    from syntrans.paths import new_run_dir

    entries = read_classes(classes) if classes else None
    done = import_descriptions(file, format_, out or new_run_dir("import"), entries)
    say(f"{done.n_rows:,} descriptions of {done.n_classes:,} classes")
    if done.left_out:
        say(f"{len(done.left_out):,} classes of the source are not on the list and were left out")
    typer.echo(done.descriptors)


@classes_app.command("check", context_settings=CONTEXT)
def classes_check(
    classes: Annotated[str | None, typer.Argument(help="A file, or a built-in name.", show_default=False)] = None,
    option: Annotated[
        str | None, typer.Option("--classes", help="The same, as an option.", metavar="FILE|NAME")
    ] = None,
    json_: Json = False,
) -> None:
    """Say what is wrong with a class list, or will hurt later.

    \b
    syntrans classes check mini
    syntrans classes check my_classes.txt

    Ends with 3 if there is an error; warnings do not change the exit code.
    """
    from syntrans.cli_steps import check_classes

    source = classes or option
    if source is None:
        raise typer.BadParameter("name a class list: syntrans classes check FILE")
    findings, text = check_classes(source)
    if json_:
        print_json(findings)
    else:
        typer.echo(text)
    if findings["errors"]:
        raise typer.Exit(3)


def _console() -> Any:
    """A console for tables; piped output has no width of its own, so the widest table is given the room it needs."""
    from rich.console import Console

    found = Console()
    return found if found.is_terminal else Console(width=150)
