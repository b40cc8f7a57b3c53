"""`syntrans config show`: what the keys of all configs mean."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from syntrans.cli import completion
from syntrans.cli.config_keys import CONFIGS, model_of
from syntrans.cli.options import Json
from syntrans.console import print_json
from syntrans.errors import UsageError

KeyArgument = Annotated[
    str | None,
    typer.Argument(help="A key or a section; default: all of them.", metavar="[KEY]", autocompletion=completion.keys),
]
CommandOption = Annotated[
    str | None,
    typer.Option(
        help="Only the keys of mine, train, evaluate, imagine, predict, serve, or flier (train --config flier).",
        metavar="NAME",
        autocompletion=completion.commands,
        is_eager=True,
    ),
]
ConfigOption = Annotated[
    str | None,
    typer.Option(
        help="Show the values of this config: a YAML file or a shipped one.",
        metavar="FILE|NAME",
        autocompletion=completion.configs,
    ),
]


def config_show(
    key: KeyArgument = None, command: CommandOption = None, config: ConfigOption = None, json_: Json = False
) -> None:
    """Explain config keys: meaning, default, and what may be given.

    \b
    syntrans config show vsbird.lr
    syntrans config show crosscheck
    syntrans config show --command train --config caltech101

    A key is set with --set KEY=VALUE, or in a YAML file that --config takes. In a name, N is the position in a list,
    from 0. All keys on one page: docs/config.md.
    """
    keys = explain(key, command, config)
    if json_:
        print_json({"config": config, "keys": keys})
    else:
        from syntrans.views.config_keys import render

        typer.echo(render(keys, config))


def explain(key: str | None, command: str | None, config: str | None) -> list[dict[str, Any]]:
    """The keys that a person asked for; UsageError names what is close to an unknown one."""
    from syntrans.config.keys import keys_of, value_at

    if command is not None and command not in CONFIGS:
        raise UsageError(f"--command {command} has no config; give {', '.join(CONFIGS)}")
    commands = [command] if command else [*CONFIGS]
    whole: dict[str, Any] = _loaded(commands, config) if config else dict.fromkeys(commands)
    keys = [(name, one) for name in whole for one in keys_of(model_of(name))]
    chosen = [
        {"command": name, **vars(one)}
        for name, one in keys
        if key is None or one.name == key or one.name.startswith(f"{key}.")
    ]
    if not chosen:
        raise UsageError(_unknown(str(key), [one.name for _, one in keys]))
    if config:
        for line in chosen:
            line["value"] = None if line["is_section"] else value_at(whole[line["command"]], line["name"])
    return chosen


def _loaded(commands: Sequence[str], config: str) -> dict[str, Any]:
    """The whole config, for each command that it is one of; the first command's UsageError where it is of none."""
    from syntrans.config import load_config, read_yaml

    if Path(config).suffix in {".yaml", ".yml"} and Path(config).is_file():
        read_yaml(Path(config))  # what is no YAML at all is so once, not once for each command
    loaded, problems = {}, []
    for name in commands:
        if (kind := CONFIGS[name][1]) is None:
            continue
        try:
            loaded[name] = load_config(model_of(name), config, kind=kind).model_dump(mode="json")
        except UsageError as error:
            problems.append(error)
    if not loaded:
        raise (
            problems[0]
            if problems
            else UsageError(f"no keys of {', '.join(commands)} stand in a config file; leave --config out")
        )
    return loaded


def _unknown(key: str, names: Sequence[str]) -> str:
    import difflib  # for this error alone: every start of the program reads this file

    names = list(dict.fromkeys(names))  # several commands share some
    ends = [name for name in names if name.endswith(f".{key}")]
    close = ends or difflib.get_close_matches(key, names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(close)}?" if close else "syntrans config show lists all"
    return f"unknown key {key!r}; {hint}"
