"""The program: its commands put together, and every error as one line and an exit code.

Data goes to stdout, everything else to stderr. The commands are in `commands/`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from syntrans import __version__
from syntrans.cli.interrupts import stop_like_ctrl_c
from syntrans.cli.on_demand import Commands
from syntrans.cli.options import CONTEXT, Json, with_new_name
from syntrans.console import prepare_streams, say, settle_stdout
from syntrans.errors import INTERRUPTED, SyntransError, UsageError, in_one_line
from syntrans.packages.extras import of_missing_module

app = typer.Typer(
    name="syntrans",
    cls=Commands,
    invoke_without_command=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings=CONTEXT,
)


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
    """Run the program's own command line, and end with its exit code."""
    stop_like_ctrl_c()
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


if __name__ == "__main__":
    main()
