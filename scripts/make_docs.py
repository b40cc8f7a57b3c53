"""Write docs/commands.md from --help, docs/config.md from the configs, and docs/leaderboard.md from its data.

A test fails when a page is out of date.

Usage: python scripts/make_docs.py [--check]
"""

from __future__ import annotations

import sys
from pathlib import Path

import typer
from typer.testing import CliRunner

from syntrans.cli.app import app
from syntrans.cli.config_keys import CONFIGS, model_of
from syntrans.config.keys import Key, keys_of
from syntrans_training.evaluation import published as leaderboard

DOCS = Path(__file__).resolve().parent.parent / "docs"
TITLES = {"flier": "syntrans train --config flier"}
CONFIG_HEAD = """# Config keys

Every key of every config: its meaning, its default and what may be given. Written by `make docs`; do not edit.
The same in a terminal: `syntrans config show KEY`.

A key is set with `--set KEY=VALUE`, or in a YAML file that `--config` takes: `vsbird.lr` is the key `lr` of the section
`vsbird`. The value is YAML. `N` is a position in a list, from 0: `--set llms.0.path=DIR`. A config begins with the
defaults, takes the values of its file, and then those of `--set`; an unknown key is an error that names similar ones.
"""
HEAD = "# Commands\n\nEvery command with its options, as `--help` prints them. Written by `make docs`; do not edit.\n"


def page() -> str:
    """The whole page."""
    return HEAD + "".join(f"\n## {title}\n\n```text\n{text}\n```\n" for title, text in _helps())


def config_page() -> str:
    """Every key of every config."""
    return CONFIG_HEAD + "".join(
        f"\n## {TITLES.get(command, f'syntrans {command}')}\n{_section(keys_of(model_of(command)), command)}"
        for command in CONFIGS
    )


def _section(keys: list[Key], command: str) -> str:
    """A table for the keys that stand in no section, then one for each section."""
    tables: dict[str, list[Key]] = {}
    for key in keys:
        section, dot, _ = key.name.partition(".")
        tables.setdefault(section if dot or key.is_section else "", []).append(key)
    return "".join(
        (f"\n### {command}: {section}\n\n{_prose(of.pop(0).meaning)}\n" if section else "") + _table(of)
        for section, of in sorted(tables.items(), key=lambda item: item[0] != "")
    )


def _prose(text: str) -> str:
    """As Markdown: what stands in angle brackets is no tag."""
    return text.replace("<", "&lt;")


def _table(keys: list[Key]) -> str:
    lines = ["", "| key | default | values | meaning |", "|---|---|---|---|"]
    for key in keys:
        default = "" if key.is_section else "must be given" if key.default is None else f"`{key.default}`"
        cells = (f"`{key.name}`", default, key.values, _prose(key.meaning))
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


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
    pages = {
        DOCS / "commands.md": page(),
        DOCS / "config.md": config_page(),
        DOCS / "leaderboard.md": leaderboard.page(),
    }
    for path, text in pages.items():
        if "--check" in sys.argv:
            if not path.is_file() or path.read_text(encoding="utf-8") != text:
                raise SystemExit(f"{path.name} is out of date; run `make docs`")
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
