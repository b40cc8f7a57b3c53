"""Commands on files that are already there: class lists, descriptor files, data, results.

A command's body reads its options and makes one call; see `cli.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from syntrans.cli.options import CONTEXT, Classes, Config, Json, Out, Set
from syntrans.console import print_json, say

app = typer.Typer(rich_markup_mode=None)
classes_app = typer.Typer(rich_markup_mode=None, help="Check class lists.")
app.add_typer(classes_app, name="classes")
data_app = typer.Typer(rich_markup_mode=None, help="Check data sets.")
app.add_typer(data_app, name="data")


@app.command(context_settings=CONTEXT)
def inspect(
    file: Annotated[Path, typer.Argument(help="A descriptors.parquet, or the folder it lies in.")],
    class_: Annotated[
        str | None, typer.Option("--class", help="The class to show in full: id or name.", metavar="NAME")
    ] = None,
    other: Annotated[
        Path | None, typer.Option("--diff", help="Another file or folder: say what differs.", metavar="FILE")
    ] = None,
    json_: Json = False,
) -> None:
    """Show what a descriptor file says, or how it differs from another.

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
    """Make a run a folder that can be given away.

    \b
    syntrans pack artifacts/mine/20260101-120000-ab12

    Parquet files (accepted, rejected, semantics, runs) with a dataset card that a hub reads, the prompts and the
    configuration. Paths of this machine and pictures stay at home. Prints the folder.
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
        typer.Option("--format", help="cupl, dclip or jsonl, for all files or once a file; told from each without it."),
    ] = None,
    classes: Classes = None,
    out: Out = None,
) -> None:
    """Bring published descriptions into the contract.

    \b
    syntrans import cupl_descriptions.json --format cupl
    syntrans import cupl.json dclip.json mine.jsonl --classes cub

    \b
    A line of jsonl, of which class and text must be there:
    {"class": "house finch", "text": "a red breast", "id": "n01532829", "facet": "colour",
     "author": "org/model", "revision": "main", "prompt": "describe.v1"}

    Several files are put together class by class. What a source says several times is one row that counts as often.
    --classes gives ids, and leaves the other classes out. Prints the path of descriptors.parquet.
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
    a: Annotated[str, typer.Argument(help="Folder of an evaluation; :ROW for another row than syntrans.", metavar="A")],
    b: Annotated[str, typer.Argument(help="The same, of what it is compared with.", metavar="B")],
    json_: Json = False,
) -> None:
    """Say whether one result is better than another, paired by episode.

    \b
    syntrans compare artifacts/evaluate/20260101-120000-ab12 artifacts/evaluate/20260102-090000-cd34
    syntrans compare RUN:syntrans RUN:am3

    Both must have used the same frozen episodes. Prints the difference with its 95 % interval, on how many
    episodes A wins, ties and loses, and the verdict.
    """
    from syntrans.cli.evaluate import compare as run

    found, text = run(a, b)
    if json_:
        print_json(found)
    else:
        typer.echo(text)


@app.command(context_settings=CONTEXT)
def report(
    run: Annotated[Path, typer.Argument(help="Folder that train left.", metavar="RUN")],
    figure: Annotated[str | None, typer.Option(help="alpha or weights; both if left out.", metavar="NAME")] = None,
    config: Config = None,
    set_: Set = None,
    out: Out = None,
    json_: Json = False,
) -> None:
    """Draw what the text does to a finished training.

    \b
    syntrans report artifacts/train/20260101-120000-ab12
    syntrans report artifacts/train/20260101-120000-ab12 --figure alpha --out figures

    alpha: accuracy from pictures alone (0) to text alone (1), on val and novel classes, for each number of shots.
    weights: where the classifier weights of the novel classes lie, with and without text (t-SNE, silhouette).
    Each leaves a picture, its points as Parquet and its numbers as JSON. --config and --set are those of evaluate.
    """
    from syntrans.config import load_config
    from syntrans.extras import require
    from syntrans.paths import run_path

    require("report", "train")
    from syntrans_training.config import EvaluateConfig
    from syntrans_training.figures.report import FIGURES, render
    from syntrans_training.figures.report import report as make

    settled = load_config(EvaluateConfig, config or "evaluate", kind="training/configs", overrides=set_ or ())
    found = make(run, settled, out=out or run_path("report"), figures=(figure,) if figure else FIGURES)
    if json_:
        print_json(found)
    else:
        typer.echo(render(found))


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
        raise typer.Exit(3)


@data_app.command("check", context_settings=CONTEXT)
def data_check(
    path: Annotated[
        str | None,
        typer.Argument(help="A folder, an archive, Parquet (or a glob), or hf://NAME.", show_default=False),
    ] = None,
    as_: Annotated[
        str | None,
        typer.Option("--as", help="mini, tiered, cifar-fs, fc100, cub, cub-feat or cub-easyfsl.", metavar="NAME"),
    ] = None,
    set_: Set = None,
    json_: Json = False,
) -> None:
    """Say whether a data set is complete, or where to get it.

    \b
    syntrans data check --as cifar-fs
    syntrans data check downloads/cifar-100-python.tar.gz --as cifar-fs
    syntrans data check photos/ --set split_file=split.json --set size=84

    Looks at the number of pictures and classes, at broken pictures, at classes and pictures that are in two parts
    (also nearly the same ones), and says which published split it equals. --set takes the keys that a training
    config has below `data`. Without PATH it says where to get the data. Ends with 3 if there is an error.
    """
    from syntrans.cli.checks import check_data

    report, text = check_data(path, as_, set_ or ())
    if json_:
        print_json(report)
    else:
        typer.echo(text)
    if report.get("errors"):
        raise typer.Exit(3)
