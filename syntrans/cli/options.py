"""The options that commands share, each described once. No command has more than ten."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from syntrans.cli import completion

_PAGES = (".htm", ".html")
_FILES = (*_PAGES, ".csv", ".json", ".jsonl", ".parquet", ".pdf", ".png", ".safetensors", ".txt", ".yaml", ".zip")
"""Endings of names that are meant as those of files."""


def is_page(out: Path) -> bool:
    """Whether a name is meant as that of a page, and not of a folder."""
    return out.suffix.lower() in _PAGES


def _folder_to_write(context: typer.Context, out: Path | None) -> Path | None:
    """--out as it was given. UsageError for the name of a file, EnvironmentProblem where nothing can be written."""
    if out is None or context.resilient_parsing:
        return out
    from syntrans.errors import UsageError
    from syntrans.paths import require_writable

    require_writable(out, folder=True)
    if out.suffix.lower() in _FILES and not out.exists():
        raise UsageError(f"--out {out} is named as a file, and a folder is written; name a folder")
    return out


def _page_or_folder_to_write(context: typer.Context, out: Path | None) -> Path | None:
    """The same of a command that writes a page, to a file or into a folder."""
    if out is None or context.resilient_parsing:
        return out
    from syntrans.errors import UsageError
    from syntrans.paths import require_writable

    require_writable(out, folder=not is_page(out))
    if is_page(out) and out.is_dir():
        raise UsageError(f"--out {out} is a folder; name a file, or a folder without an ending")
    if not is_page(out) and out.suffix.lower() in _FILES and not out.exists():
        raise UsageError(f"--out {out} is named as a file of another form; name a .html file, or a folder")
    return out


CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

Classes = Annotated[
    str | None,
    typer.Option(
        help="Class list: a file (txt, tsv, csv, json, jsonl, parquet), a folder of class folders, or a built-in name.",
        metavar="FILE|DIR|NAME",
        autocompletion=completion.class_lists,
    ),
]
Images = Annotated[
    str | None,
    typer.Option(
        help="Pictures: one folder per class, Parquet files, or any other layout of docs/data.md.", metavar="DIR|FILE"
    ),
]
Config = Annotated[
    str | None,
    typer.Option(
        help="A YAML file, or the name of a shipped config.", metavar="FILE|NAME", autocompletion=completion.configs
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="Override a config key (repeatable).", metavar="KEY=VALUE", autocompletion=completion.settings
    ),
]
Encoder = Annotated[
    str | None,
    typer.Option(
        help="photo, onnx:FILE, timm:NAME, open_clip:DIR or run:DIR; default: the best one installed.", metavar="NAME"
    ),
]
Descriptors = Annotated[
    Path | None, typer.Option(help="descriptors.parquet; default: the newest that fits.", metavar="FILE")
]
Text = Annotated[
    str,
    typer.Option(
        help="auto, names (class names alone) or none.",
        metavar="WHAT",
        autocompletion=completion.one_of("auto", "names", "none"),
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(help="Write results to this folder instead of a new one.", metavar="DIR", callback=_folder_to_write),
]
PageOut = Annotated[
    Path | None,
    typer.Option(
        help="Write the page to this .html file, or all into this folder, instead of a new one.",
        metavar="FILE|DIR",
        callback=_page_or_folder_to_write,
    ),
]
Seed = Annotated[int | None, typer.Option(help="Seed for all random choices.", metavar="N", min=0)]
Device = Annotated[str | None, typer.Option(help="Device: auto, cpu, cuda or cuda:N.", metavar="NAME")]
Resume = Annotated[bool, typer.Option("--resume/--no-resume", help="Resume an interrupted run.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and do nothing.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]

# An option that has another name now -> its name, for the error that its users see.
RENAMED = {
    "syntrans evaluate --against": "--published",
    "syntrans data check --as": "--dataset",
    "syntrans predict --coverage": "--set coverage=SHARE",
    "syntrans serve --coverage": "--set coverage=SHARE",
}


def with_new_name(error: typer.TyperException, command_help: str) -> str:
    """What is wrong with a command line; an option that was renamed is told with its new name.

    Where the shell has filled in a pattern, the names of all its files would be listed: some are enough.
    """
    old = getattr(error, "option_name", None)
    new = RENAMED.get(f"{command_help.removesuffix('--help')}{old}")
    if new:
        return f"{old} was renamed to {new}"
    message: str = error.format_message()
    extra = re.fullmatch(r"Got unexpected extra argument\S* \((.*)\)", message, re.DOTALL)
    if extra is None:
        return message
    listed = textwrap.shorten(extra[1], 60, placeholder=" ...")
    return f"{listed} belongs to no option; give each option one value, and a pattern in quotes"


def overrides(given: Sequence[str] | None, **options: Any) -> list[str]:
    """Options as config overrides, after those of --set so that the options win."""
    return [*(given or ()), *(f"{key}={value}" for key, value in options.items() if value is not None)]
