"""`syntrans doctor`: the machine's checks, and with a config those of mining."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from syntrans.cli.options import Config, Json, Set
from syntrans.console import print_json, say
from syntrans.errors import EnvironmentProblem, UsageError
from syntrans.machine import check_machine, facts
from syntrans.paths import artifacts_root
from syntrans.views.checks import render_checks


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
    values, text, healthy = examine(config, set_ or [], probe=probe)
    if json_:
        print_json(values)
    else:
        typer.echo(text)
    if not healthy:
        raise typer.Exit(EnvironmentProblem.exit_code)


def examine(config: str | None, settings: Sequence[str], *, probe: bool) -> tuple[dict[str, Any], str, bool]:
    """What the doctor found: as plain values, as text, and whether everything that is needed is there."""
    if config is None and (settings or probe):
        raise UsageError("--set and --probe are about a config; give --config, for instance --config world")
    machine = facts(artifacts_root())
    settled = None
    if config is not None:
        from syntrans.config import load_config
        from syntrans_mining.config import MiningConfig

        settled = load_config(MiningConfig, config, kind="mining/configs", overrides=settings)
    checks = check_machine(machine)
    if settled is not None:
        from syntrans_mining.doctor import check_config, probe_models
        from syntrans_mining.packages import check_packages

        imports = check_packages(settled)
        checks += imports
        probe = probe and all(check.mark == "ok" for check in imports)
        checks += check_config(settled, probed=probe)
        if probe:
            say("starting the models")
            checks += probe_models(settled)
    values = {"schema_version": 1, **machine, "config": config, "checks": [check._asdict() for check in checks]}
    return values, render_checks(checks), all(check.mark != "fail" for check in checks)
