"""`syntrans predict`: its options, and one call of training's prediction."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from syntrans.cli.options import Classes, Descriptors, Encoder, Set, Text


def predict(
    query: Annotated[
        str, typer.Option(help="Pictures to name: a file, folder, quoted glob or Parquet.", metavar="PATH")
    ],
    support: Annotated[
        Path | None, typer.Option(help="Known pictures: one folder per class, or Parquet.", metavar="DIR")
    ] = None,
    classes: Classes = None,
    encoder: Encoder = None,
    descriptors: Descriptors = None,
    text: Text = "auto",
    out: Annotated[
        Path | None,
        typer.Option(help="Write .csv, .parquet, .jsonl or .html instead of CSV on stdout.", metavar="FILE"),
    ] = None,
    sort_into: Annotated[
        Path | None, typer.Option(help="Copy pictures into a folder per class.", metavar="DIR")
    ] = None,
    set_: Set = None,
    inductive: Annotated[
        bool, typer.Option("--inductive", help="Name every picture as if it were the only one.")
    ] = False,
) -> None:
    """Name your own pictures, with probabilities and reasons.

    \b
    syntrans predict --support birds/ --query holiday/ > names.csv
    syntrans predict --support birds/ --query holiday/ --out names.html --sort-into sorted/
    syntrans predict --classes birds.txt --query "holiday/*.jpg"

    Folder names are class names. One picture per class is enough, and with text none. Prints CSV: class, probability,
    prediction set, nearest supports, descriptors for and against. A broken picture is a row with its error.
    Pictures are named together and inform each other, unless --inductive is given. --set knows coverage (of prediction
    sets, 0.95), imagined (pictures of classes without any), engine.kind (ray: on a cluster) and other keys:
    syntrans config show predict.
    """
    from syntrans.config import from_values
    from syntrans_training.config.prediction import PredictConfig
    from syntrans_training.prediction.command import Cluster, Request
    from syntrans_training.prediction.command import predict as run
    from syntrans_training.prediction.predictor import Settings
    from syntrans_training.prediction.task import TaskRequest

    config = from_values(PredictConfig, {}, set_ or ())
    settings, engine = Settings(coverage=config.coverage, inductive=inductive), config.engine
    imagined = None if config.imagined is None else (config.imagined, config.imagined_supports)
    task = TaskRequest(support, classes, encoder, descriptors, text, settings, imagined)
    cluster = Cluster(engine.workers, engine.ray_address) if engine.kind == "ray" else None
    typer.echo(run(Request(query, task, out, sort_into, cluster)), nl=False)
