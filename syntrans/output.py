"""How the command line speaks: data on stdout, everything else on stderr."""

from __future__ import annotations

import json
from typing import Any

import typer

from syntrans.plain import plain_text


def say(message: str) -> None:
    """One line on stderr, whatever the message quotes."""
    typer.echo(f"syntrans: {plain_text(message)}", err=True)


def print_json(value: Any) -> None:
    """JSON for machines, on stdout."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))
