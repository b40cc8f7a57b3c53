"""Output of the command line: data on stdout, everything else on stderr."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from typing import Any

import typer

from syntrans.text_safety import plain_text


def say(message: str) -> None:
    """One line on stderr, whatever the message quotes; where nobody can read it, nothing."""
    with contextlib.suppress(OSError):
        typer.echo(f"syntrans: {plain_text(message)}", err=True)


def prepare_streams() -> None:
    """Let what a terminal cannot show become a question mark, instead of an error half way through a page."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def settle_stdout() -> None:
    """Write what is left to write; where that cannot be done, keep Python from trying again at its end."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError, AttributeError):  # full, closed, or none at all
        with contextlib.suppress(OSError, ValueError, AttributeError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stdout.fileno())
            os.close(nowhere)


def print_json(value: Any) -> None:
    """JSON for machines, on stdout."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))
