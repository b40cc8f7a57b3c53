"""Write docs/commands.md from --help of every command. A test fails when the page is out of date.

Usage: python scripts/make_docs.py [--check]
"""

from __future__ import annotations

import sys
from pathlib import Path

import typer
from typer.testing import CliRunner

from syntrans.cli import app

PAGE = Path(__file__).resolve().parent.parent / "docs" / "commands.md"
HEAD = "# Commands\n\nWritten by `make docs` from `--help`; do not edit.\n"


def page() -> str:
    """The whole page."""
    return HEAD + "".join(f"\n## {title}\n\n```text\n{text}\n```\n" for title, text in _helps())


def _helps() -> list[tuple[str, str]]:
    root = typer.main.get_command(app)
    names: list[list[str]] = [[]]
    for name, command in root.commands.items():  # type: ignore[attr-defined]  # a group has commands
        names += [[name, below] for below in getattr(command, "commands", {})] or [[name]]
    return [(" ".join(["syntrans", *name]), _help(name)) for name in names]


def _help(name: list[str]) -> str:
    runner = CliRunner(env={"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"})
    result = runner.invoke(app, [*name, "--help"], prog_name="syntrans")
    if result.exit_code != 0:
        raise RuntimeError(f"syntrans {' '.join(name)} --help ended with {result.exit_code}: {result.output}")
    return result.stdout.strip()


def main() -> None:
    """Write the page, or with --check say whether it is current."""
    if "--check" in sys.argv:
        current = PAGE.is_file() and PAGE.read_text(encoding="utf-8") == page()
        raise SystemExit(0 if current else f"{PAGE.name} is out of date; run `make docs`")
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
