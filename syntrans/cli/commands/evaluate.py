"""`syntrans evaluate`: few-shot accuracy of a training, FLIER's included."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from syntrans.cli import flier as cli_flier
from syntrans.cli.inputs import Chosen, descriptor_file, fitting_descriptors, images_named
from syntrans.cli.options import Config, Device, DryRun, Images, Json, Out, Set, overrides
from syntrans.console import say
from syntrans.errors import UsageError
from syntrans.packages.extras import require
from syntrans.paths import artifacts_root, run_path
from syntrans.runs.file_names import TRAIN_REPORT
from syntrans.runs.past_runs import is_json_object, newest_readable

if TYPE_CHECKING:
    from syntrans_training.config import EvaluateConfig
    from syntrans_training.evaluation.trained_run import TrainedRun


def evaluate(
    checkpoint: Annotated[
        Path | None,
        typer.Argument(help="Folder of a training; default: the newest.", metavar="[DIR]"),
    ] = None,
    images: Images = None,
    descriptors: Annotated[
        Path | None, typer.Option(help="Use these descriptors instead of the training's.", metavar="FILE")
    ] = None,
    config: Config = None,
    set_: Set = None,
    out: Out = None,
    device: Device = None,
    limit: Annotated[int | None, typer.Option(help="Score only N episodes.", metavar="N", min=1)] = None,
    published: Annotated[
        bool, typer.Option("--published", help="Also print published numbers on the same data set.")
    ] = False,
    dry_run: DryRun = False,
    json_: Json = False,
) -> None:
    """Evaluate few-shot accuracy against baselines and controls.

    \b
    syntrans evaluate
    syntrans evaluate --set episodes.seed=1 --json > summary.json
    syntrans evaluate --images sketches/

    Takes the newest training and its novel classes. --images evaluates on other pictures, of classes that the
    training has not seen. Prints the table, or the summary with --json.
    """
    if (of_flier := cli_flier.flier_run(checkpoint)) is not None:
        cli_flier.refuse_other_options(images, descriptors, config, set_, limit)
        typer.echo(cli_flier.evaluate(of_flier, out, device=device, dry_run=dry_run, as_json=json_))
        return
    settings = overrides(set_, device=device, **{"episodes.episodes": limit})
    inputs = choose_inputs(checkpoint, config, settings, images, descriptors)
    typer.echo(run(inputs, out, published=published, dry_run=dry_run, as_json=json_))


@dataclass(frozen=True)
class Inputs:
    """What an evaluation takes, and why. ``file`` and ``images``: other ones than the training's."""

    checkpoint: Chosen
    trained: TrainedRun
    config: EvaluateConfig
    pictures: Chosen
    descriptors: Chosen
    file: Path | None
    images: str | None


def run(inputs: Inputs, out: Path | None, *, published: bool = False, dry_run: bool, as_json: bool) -> str:
    """Evaluate; returns the table or the summary as JSON, or the plan of a dry run."""
    from syntrans.config import dump_config
    from syntrans.runs.folder import removed_if_refused
    from syntrans_training.evaluation.evaluate import check_evaluation
    from syntrans_training.evaluation.evaluate import evaluate as evaluate_run
    from syntrans_training.evaluation.published import against
    from syntrans_training.evaluation.table import render

    say(f"evaluating {inputs.checkpoint}; pictures: {inputs.pictures}; descriptors: {inputs.descriptors}")
    tasks = inputs.config.episodes
    free = inputs.config.seen_queries == "exclude" and not tasks.file
    check_evaluation(inputs.trained, **tasks.shape, free_queries=free, descriptors=inputs.file, images=inputs.images)
    checkpoint = Path(inputs.checkpoint.what)
    if dry_run:
        return f"# checkpoint {checkpoint}\n{dump_config(inputs.config)}".rstrip()
    target = out or run_path("evaluate")
    with removed_if_refused(target):
        summary = evaluate_run(checkpoint, inputs.config, out=target, descriptors=inputs.file, images=inputs.images)
    say(f"written: {target / 'summary.json'}")
    if as_json:
        return json.dumps(summary, indent=2, ensure_ascii=False)
    return f"{render(summary)}\n\n{against(summary)}" if published else render(summary)


def choose_inputs(
    checkpoint: Path | None, config: str | None, settings: Sequence[str], images: str | None, descriptors: Path | None
) -> Inputs:
    """The newest training where none is named, its pictures and descriptors where no others are.

    Other pictures are given the newest descriptors that fit them.
    """
    require("evaluate", "train")
    from syntrans.config import load_config
    from syntrans_training.config import EvaluateConfig
    from syntrans_training.evaluation.novel_pictures import elsewhere
    from syntrans_training.evaluation.trained_run import read_run

    settled = load_config(EvaluateConfig, config or "evaluate", kind="training/configs", overrides=settings)
    taken = Chosen(str(checkpoint), "as named") if checkpoint else _newest_training()
    pictures = None if images is None else images_named(images)
    trained = read_run(Path(taken.what))
    text = Chosen(str(trained.descriptors or "class names"), "of the training")
    file = None if descriptors is None else descriptor_file(descriptors).absolute()
    if pictures and file is None and trained.descriptors:
        text = fitting_descriptors(elsewhere(trained.pictures.origin, pictures.what)) or text
        file = Path(text.what).absolute()
    elif file is not None:
        text = Chosen(str(file), "--descriptors")
    of_training = Chosen(trained.pictures.origin.path, "the novel classes of the training")
    settled = settled.like(**trained.tasks.shape)
    return Inputs(taken, trained, settled, pictures or of_training, text, file, pictures and pictures.what)


def _newest_training() -> Chosen:
    report = newest_readable(["train"], TRAIN_REPORT, is_json_object)
    if report is None:
        rule = "give the folder of a checkpoint, or run `syntrans train` first"
        raise UsageError(f"there is no checkpoint below {artifacts_root() / 'train'}; {rule}")
    return Chosen(str(report.parent), "the newest training")
