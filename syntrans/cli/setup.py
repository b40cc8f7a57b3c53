"""Commands about this machine: what it has, and what is installed. A body reads its options and makes one call."""

from __future__ import annotations

from typing import Annotated

import typer

from syntrans.cli.options import CONTEXT, Config, Json, Set
from syntrans.console import print_json

app = typer.Typer()


@app.command(context_settings=CONTEXT)
def install(
    name: Annotated[str, typer.Argument(help="openai, predict, photo, train, cpu, cuda, minilm or ray.")],
) -> None:
    """Install what a task needs, into the environment of this program.

    \b
    syntrans install openai    mine against a server (Ollama, llama.cpp, vLLM serve); no torch
    syntrans install predict   name pictures; photo: with weights that know photographs; no torch
    syntrans install train     train and evaluate
    syntrans install cpu       mine with vLLM on the processor (Linux); cuda: on NVIDIA GPUs

    With uv where it is at hand, else with pip; what it runs is shown. docs/install.md says how large each is.
    """
    from syntrans.cli.install import install as run

    run(name)


@app.command(context_settings=CONTEXT)
def doctor(
    config: Config = None,
    set_: Set = None,
    probe: Annotated[bool, typer.Option("--probe", help="Start every model and ask it something.")] = False,
    json_: Json = False,
) -> None:
    """Say what this machine has, and whether a mining config runs on it.

    \b
    syntrans doctor
    syntrans doctor --config gpu24 --probe

    With --config: are the models here and safe, do their chat templates render the prompts, are yes and no single
    tokens, do they fit the memory. Ends with 4 if something needed is missing.
    """
    from syntrans.cli.doctor import examine

    found, text, healthy = examine(config, set_ or [], probe=probe)
    if json_:
        print_json(found)
    else:
        typer.echo(text)
    if not healthy:
        raise typer.Exit(4)
