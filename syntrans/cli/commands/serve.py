"""`syntrans serve`: its options, and one call of training's server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from syntrans.cli.options import Descriptors, Encoder, Set, Text


def serve(
    support: Annotated[
        Path, typer.Option(help="Known pictures, one folder per class; corrections go there.", metavar="DIR")
    ],
    encoder: Encoder = None,
    descriptors: Descriptors = None,
    text: Text = "auto",
    set_: Set = None,
    inductive: Annotated[
        bool, typer.Option("--inductive", help="Name every picture as if it were the only one.")
    ] = False,
    port: Annotated[int, typer.Option(help="Port of this machine; 0 takes any free one.", min=0, max=65535)] = 8765,
) -> None:
    """Name pictures in a browser, and correct names with a click.

    \b
    syntrans serve --support birds/

    Answers as `syntrans predict` does, on 127.0.0.1 alone. A corrected picture is copied into its class's folder below
    --support: it counts at once, and in every later predict. For programs: POST /predict; /docs lists the calls.
    """
    from syntrans.packages.extras import require

    require("serve", "serve", ("fastapi", "starlette", "uvicorn", "python_multipart"))
    from syntrans.config import from_values
    from syntrans_training.config.prediction import ServeConfig
    from syntrans_training.prediction.predictor import Settings
    from syntrans_training.prediction.server.run import serve as run
    from syntrans_training.prediction.task import TaskRequest

    settings = Settings(from_values(ServeConfig, {}, set_ or ()).coverage, inductive)
    run(TaskRequest(support, None, encoder, descriptors, text, settings), port)
