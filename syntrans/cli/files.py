"""Commands on files that are already there: class lists, descriptor files, data, results.

A command's body reads its options and makes one call; see `app.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from syntrans.cli import completion
from syntrans.cli.on_demand import App
from syntrans.cli.options import CONTEXT, Classes, Json, Out, Set
from syntrans.console import print_json, say
from syntrans.errors import InputError

app = App(rich_markup_mode=None)
classes_app = App(rich_markup_mode=None, help="Check class lists.")
app.add_typer(classes_app, name="classes")
data_app = App(rich_markup_mode=None, help="Check data sets.")
app.add_typer(data_app, name="data")


@app.command(context_settings=CONTEXT)
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
        found = summarise(descriptor_file(file), class_)
        show = inspect_view.render
    else:
        found = diff.diff(descriptor_file(file), descriptor_file(other), class_)
        show = diff.render
    if json_:
        print_json(found)
    else:
        show(found, console())


@app.command(context_settings=CONTEXT)
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


@app.command("import", context_settings=CONTEXT)
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
    from syntrans.classes.entries import read_classes
    from syntrans.descriptors.importers import import_descriptions
    from syntrans.paths import run_path

    entries = read_classes(classes) if classes else None
    done = import_descriptions(files, out or run_path("import"), entries, format_ or ())
    for line in done.messages():
        say(line)
    typer.echo(done.descriptors)


@app.command(context_settings=CONTEXT)
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
    from syntrans.cli.evaluate import compare as run

    found, text = run(a, b)
    if json_:
        print_json(found)
    else:
        typer.echo(text)


@classes_app.command("check", context_settings=CONTEXT)
def classes_check(
    classes: Annotated[str | None, typer.Argument(help="A file, or a built-in name.", show_default=False)] = None,
    option: Annotated[
        str | None, typer.Option("--classes", help="The class list, as an option.", metavar="FILE|NAME")
    ] = None,
    json_: Json = False,
) -> None:
    """Find errors and likely problems in a class list.

    \b
    syntrans classes check mini
    syntrans classes check my_classes.txt

    Exits with 3 if there is an error; warnings do not change the exit code.
    """
    from syntrans.cli.checks import check_classes

    source = classes or option
    if source is None:
        raise typer.BadParameter("name a class list: syntrans classes check FILE")
    findings, text = check_classes(source)
    if json_:
        print_json(findings)
    else:
        typer.echo(text)
    if findings["errors"]:
        raise typer.Exit(InputError.exit_code)


@data_app.command("check", context_settings=CONTEXT)
def data_check(
    path: Annotated[
        str | None,
        typer.Argument(help="A folder, an archive, Parquet (or a glob), or hf://NAME.", show_default=False),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            help="mini, tiered, cifar-fs, fc100, cub, cub-feat or cub-easyfsl.",
            metavar="NAME",
            autocompletion=completion.datasets,
        ),
    ] = None,
    set_: Set = None,
    json_: Json = False,
) -> None:
    """Check that a data set is complete, or show where to get it.

    \b
    syntrans data check --dataset cifar-fs
    syntrans data check downloads/cifar-100-python.tar.gz --dataset cifar-fs
    syntrans data check photos/ --set split_file=split.json --set size=84

    Counts pictures and classes, finds broken pictures and pictures or classes that are in two splits (also near
    duplicates), and names the published split that it equals. --set takes the keys of a training config's `data`.
    Without PATH it shows where to get the data. Exits with 3 if there is an error.
    """
    from syntrans.cli.checks import check_data

    report, text = check_data(path, dataset, set_ or ())
    if json_:
        print_json(report)
    else:
        typer.echo(text)
    if report.get("errors"):
        raise typer.Exit(InputError.exit_code)
