"""`syntrans report`: one page of runs, as a file or live; for a training also the figures of the paper."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from syntrans.cli import completion
from syntrans.cli.options import Config, Json, PageOut, Set, is_page

PAGE = "report.html"
Settings = tuple[str | None, list[str]]
"""--config and --set."""


def report(
    runs: Annotated[
        list[Path], typer.Argument(help="Folders of runs, or files of predict (.jsonl, .parquet).", metavar="RUN...")
    ],
    pictures: Annotated[
        bool, typer.Option("--pictures", help="Put the pictures that mining looked at into the page.")
    ] = False,
    figure: Annotated[
        str | None,
        typer.Option(
            help="Make figures of a training: alpha, weights or all; needs the extra train.",
            metavar="NAME",
            autocompletion=completion.one_of("alpha", "all", "weights"),
        ),
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Show the page at 127.0.0.1, and follow runs that work.")
    ] = False,
    port: Annotated[int, typer.Option(help="Port of --live; 0 takes any free one.", min=0, max=65535)] = 8766,
    config: Config = None,
    set_: Set = None,
    out: PageOut = None,
    json_: Json = False,
) -> None:
    """Show runs as one page for a browser.

    \b
    syntrans report artifacts/mine/20260101-120000-ab12
    syntrans report artifacts/mine/RUN artifacts/train/RUN artifacts/evaluate/RUN
    syntrans report names.jsonl
    syntrans report artifacts/mine/RUN --live

    One HTML file that holds all it shows and asks for nothing: runs of mine, import, train, imagine, evaluate and
    predict.
    Tables can be searched, sorted and saved as CSV. Corrections made on it are a file for `syntrans edit`. --figure:
    accuracy over alpha, and classifier weights (t-SNE), on novel classes, each also as PNG, Parquet and JSON, of a
    training or of the one that an evaluation was of; --config and --set are those of evaluate. Prints the path of
    the page.
    """
    from syntrans.errors import UsageError

    if live and (figure or pictures or out or json_):
        raise UsageError("--live shows what is there; leave out --figure, --pictures, --out and --json")
    if live:
        from syntrans.console import say
        from syntrans.views.report.live import serve_live

        serve_live(runs, port, say)
        return
    written = _written(runs, figure, (config, set_ or []), out, pictures=pictures)
    if json_:
        from syntrans.console import print_json

        print_json(written)
    else:
        typer.echo(written["page"])


def _written(
    runs: list[Path], figure: str | None, settings: Settings, out: Path | None, *, pictures: bool
) -> dict[str, Any]:
    """Make figures and page; where the page is, what is on it, and the numbers of the figures."""
    from syntrans.errors import UsageError
    from syntrans.paths import atomic_write_text, run_path
    from syntrans.views.report.page import render_page
    from syntrans.views.report.runs import parts_of

    if figure is None and (settings[0] or settings[1]):
        raise UsageError("--config and --set are of the figures of a training; add --figure all, or leave them out")
    if figure and out is not None and is_page(out):
        raise UsageError(f"--out {out} is one file, and the figures are files beside the page; name a folder")
    parts = [] if figure else parts_of(runs)  # what is refused is refused before a folder is made
    target = out or run_path("report")
    figures = {}
    if figure:
        figures = _figures(runs, figure, settings, target)
        parts = parts_of([*runs, target])
    if pictures:
        _add_pictures(parts)
    page = atomic_write_text(target if is_page(target) else target / PAGE, render_page(parts))
    shown = [{key: part[key] for key in ("kind", "title", "place")} for part in parts]
    return {"page": str(page), "parts": shown, "figures": figures}


def _figures(runs: list[Path], figure: str, settings: Settings, out: Path) -> dict[str, Any]:
    """Figures of the one training of ``runs``, into ``out``; their numbers, which also go to stderr as tables."""
    import sys

    from syntrans.config import load_config
    from syntrans.errors import InputError
    from syntrans.packages.extras import require
    from syntrans.views.report.runs import trainings_of

    require("report --figure", "train")
    from syntrans_training.config import EvaluateConfig
    from syntrans_training.figures.report import FIGURES, render
    from syntrans_training.figures.report import report as make

    trainings = trainings_of(runs)
    if len(trainings) != 1:
        raise InputError(
            f"--figure is of one training, and {len(trainings)} belong to these runs; name a folder with a train.json, "
            "or an evaluation of it"
        )
    settled = load_config(EvaluateConfig, settings[0] or "evaluate", kind="training/configs", overrides=settings[1])
    numbers = make(trainings[0], settled, out=out, figures=FIGURES if figure == "all" else (figure,))
    print(render(numbers), file=sys.stderr)  # noqa: T201 - data of the command is the page's path
    return numbers


def _add_pictures(parts: list[dict[str, Any]]) -> None:
    """Thumbnails of what mining looked at, into its parts; what cannot be found is said."""
    from syntrans.cli.inputs import WORLD, export_world
    from syntrans.console import say
    from syntrans.errors import InputError
    from syntrans.views.report.mining import add_thumbnails

    for part in parts:
        source = part.get("pictures_at")
        if part["kind"] == "mining" and source is None:
            say(f"{part['place']}: pictures are left out: the run does not say where they lie")
        if source is None:
            continue
        try:
            add_thumbnails(part, str(export_world()) if source == WORLD else source)
        except InputError as error:
            say(f"{part['place']}: pictures are left out: {error}")
