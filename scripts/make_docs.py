"""Write docs/commands.md from --help of every command, and docs/leaderboard.md from its data.

A test fails when a page is out of date.

Usage: python scripts/make_docs.py [--check]
"""

from __future__ import annotations

import sys
from pathlib import Path

import typer
from typer.testing import CliRunner

from syntrans.cli.app import app
from syntrans_training.evaluation import published as leaderboard

DOCS = Path(__file__).resolve().parent.parent / "docs"
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
    """Write the pages, or with --check say whether they are current."""
    pages = {DOCS / "commands.md": page(), DOCS / "leaderboard.md": leaderboard.page()}
    for path, text in pages.items():
        if "--check" in sys.argv:
            if not path.is_file() or path.read_text(encoding="utf-8") != text:
                raise SystemExit(f"{path.name} is out of date; run `make docs`")
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
