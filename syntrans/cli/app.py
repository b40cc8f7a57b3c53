"""The command line. A command's body reads its options, builds a config and makes one call.

Data goes to stdout, everything else to stderr. Heavy packages are imported inside the command that needs them.
"""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from syntrans import __version__
from syntrans.cli import completion
from syntrans.cli import config_keys as cli_config
from syntrans.cli import edit as cli_edit
from syntrans.cli import files as cli_files
from syntrans.cli import imagine as cli_imagine
from syntrans.cli import predict as cli_predict
from syntrans.cli import report as cli_report
from syntrans.cli import serve as cli_serve
from syntrans.cli import setup as cli_setup
from syntrans.cli.interrupts import stop_like_ctrl_c
from syntrans.cli.on_demand import App
from syntrans.cli.options import (
    CONTEXT,
    Classes,
    Config,
    Device,
    DryRun,
    Images,
    Json,
    Out,
    Resume,
    Seed,
    Set,
    with_new_name,
)
from syntrans.console import prepare_streams, say, settle_stdout
from syntrans.errors import INTERRUPTED, SyntransError, UsageError, in_one_line
from syntrans.extras import of_missing_module

STAGES = completion.one_of("encoder", "distill", "bridge")

app = App(
    name="syntrans",
    invoke_without_command=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings=CONTEXT,
)
for part in (cli_files, cli_edit, cli_report, cli_imagine, cli_predict, cli_serve, cli_config, cli_setup):
    app.add_typer(part.app)  # its commands stand beside those of this file


@app.callback()
def _root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit; with --json what a bug report needs.")
    ] = False,
    json_: Json = False,
) -> None:
    """From class names and a few pictures to a better classifier, all on your own machine.

    \b
    syntrans demo                                    try everything on the embedded world, in minutes
    syntrans mine --classes birds.txt                generate and verify descriptors
    syntrans train && syntrans evaluate              train a classifier and measure it
    syntrans predict --support DIR --query DIR       name your own pictures

    \b
    Exit codes: 0 ok, 2 usage, 3 input, 4 environment, 5 model, 6 partial but resumable, 130 interrupted.
    """
    if version:
        from syntrans.cli.version import facts_for_a_report

        typer.echo(json.dumps(facts_for_a_report(), indent=2) if json_ else f"syntrans {__version__}")
        raise typer.Exit
    if json_:
        raise UsageError("--json goes with --version, or after a command")
    if context.invoked_subcommand is None:
        from syntrans.cli.next_step import render

        typer.echo(render(typer.main.get_command(app)))


@app.command(context_settings=CONTEXT)
def mine(
    classes: Classes = None,
    images: Images = None,
    config: Config = None,
    set_: Set = None,
    out: Out = None,
    limit: Annotated[
        int | None,
        typer.Option(help="Mine only the first N classes: a preview, with report.html.", metavar="N", min=1),
    ] = None,
    dry_run: DryRun = False,
    refilter: Annotated[
        Path | None, typer.Option(help="Apply other thresholds (--set) to a finished run.", metavar="RUN")
    ] = None,
) -> None:
    """Generate and verify visual descriptors for classes.

    \b
    syntrans mine --classes birds.txt --images photos/
    syntrans mine --classes birds.txt --images photos/ --dry-run
    syntrans mine --classes birds.txt --images photos/ --limit 3
    syntrans mine --refilter artifacts/mine/RUN --set crosscheck.threshold=0.7

    --config: a file, or a shipped config (world, cpu, gpu24, gpu80, server); by default the one that fits this
    machine. Without --images nothing is checked against pictures. --dry-run shows models, licences, downloads,
    requests, tokens, time, disk and the first prompts, and ends with 5 where a model is missing. The same command
    resumes an unfinished run; another --out starts a new one. --refilter asks no model. Prints the path of
    descriptors.parquet.
    """
    from syntrans.cli import mine as cli_mine

    if refilter is not None:
        cli_mine.only_with_refilter(classes=classes, images=images, config=config, limit=limit, dry_run=dry_run)
        typer.echo(cli_mine.refilter(refilter, set_ or [], out))
        return
    typer.echo(cli_mine.mine(classes, images, config, set_ or [], out, limit, dry_run=dry_run))


@app.command(context_settings=CONTEXT)
def train(
    descriptors: Annotated[
        Path | None, typer.Argument(help="descriptors.parquet; default: the newest.", metavar="[FILE]")
    ] = None,
    images: Images = None,
    split: Annotated[
        str | None,
        typer.Option(help="How to split the classes: a JSON file, shares, or auto.", metavar="FILE|0.6/0.2/0.2|auto"),
    ] = None,
    config: Config = None,
    set_: Set = None,
    out: Out = None,
    seed: Seed = None,
    device: Device = None,
    resume: Resume = True,
    stage: Annotated[
        str | None,
        typer.Option(
            help="encoder or distill: stop after it; bridge: train no encoder.", metavar="NAME", autocompletion=STAGES
        ),
    ] = None,
    dry_run: DryRun = False,
) -> None:
    """Train an encoder and a bridge from text to pictures.

    \b
    syntrans train
    syntrans train --images photos/ --split 0.6/0.2/0.2
    syntrans train artifacts/import/cupl/descriptors.parquet --config caltech101

    Uses the newest descriptors and the pictures they were mined with; after an import, name them with --images.
    --config world, or having nothing else, uses the embedded world. Classes without a split into base, val and
    novel are split at random (--split auto). Prints the folder of the checkpoint.
    """
    from syntrans.cli.train import train as run

    divided = None if split is None else json.dumps(split)  # a YAML string, whatever is in it
    settings = _settings(set_, seed=seed, device=device, **{"data.split_file": divided})
    typer.echo(run(descriptors, config, settings, out, images=images, resume=resume, stage=stage, dry_run=dry_run))


@app.command(context_settings=CONTEXT)
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
    from syntrans.cli import evaluate as cli_evaluate
    from syntrans.cli import flier as cli_flier

    if (run := cli_flier.flier_run(checkpoint)) is not None:
        cli_flier.refuse_other_options(images, descriptors, config, set_, limit)
        typer.echo(cli_flier.evaluate(run, out, device=device, dry_run=dry_run, as_json=json_))
        return
    settings = _settings(set_, device=device, **{"episodes.episodes": limit})
    inputs = cli_evaluate.choose_inputs(checkpoint, config, settings, images, descriptors)
    typer.echo(cli_evaluate.evaluate(inputs, out, published=published, dry_run=dry_run, as_json=json_))


@app.command(context_settings=CONTEXT)
def demo(out: Out = None, seed: Seed = None) -> None:
    """Run the whole pipeline once on the embedded world.

    \b
    syntrans demo

    Prints two tables; the same numbers are in artifacts/demo/summary.json.
    """
    from syntrans.cli.demo import run
    from syntrans.extras import require
    from syntrans.paths import artifacts_root

    require("demo", "cpu")
    run(out or artifacts_root() / "demo", seed=seed or 0)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line (default: the program's own) and return its exit code."""
    prepare_streams()
    try:
        code = app(args=arguments, standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()  # a full disk behind a pipe shows only now
    except UsageError as error:
        say(f"error: {error} (see {_help_of(arguments)})")
        return error.exit_code
    except SyntransError as error:
        say(f"error: {error}")
        return error.exit_code
    except ModuleNotFoundError as error:
        problem = of_missing_module(error)
        if problem is None:
            raise
        say(f"error: {problem}")
        return problem.exit_code
    except typer.TyperException as error:
        say(f"error: {with_new_name(error, _help_of(arguments))} (see {_help_of(arguments)})")
        return UsageError.exit_code
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone, as `head` does.
        settle_stdout()
        return 0
    except (OSError, UnicodeError, RecursionError, MemoryError) as error:
        # Whatever the readers of single files let through: the machine or the input did it, not the program.
        text, exit_code = in_one_line(error)
        say(f"error: {text}")
        settle_stdout()
        return exit_code
    if code == INTERRUPTED:
        say("interrupted; the same command goes on from here where the command can resume")
    return code if isinstance(code, int) else 0


def main() -> None:
    """Entry point of the `syntrans` program."""
    stop_like_ctrl_c()
    gc.set_threshold(50_000)  # nearly all that a start makes stays: looking for garbage in it took 5 % of short runs
    raise SystemExit(run())


def _help_of(arguments: Sequence[str] | None) -> str:
    """The help of the command that a command line names."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    command: Any = typer.main.get_command(app)
    path = ["syntrans"]
    while words and words[0] in getattr(command, "commands", {}):
        path.append(words.pop(0))
        command = command.commands[path[-1]]
    return f"{' '.join(path)} --help"


def _settings(given: list[str] | None, **options: Any) -> list[str]:
    """Options as config overrides, after those of --set so that the options win."""
    return [*(given or []), *(f"{key}={value}" for key, value in options.items() if value is not None)]


if __name__ == "__main__":
    main()
