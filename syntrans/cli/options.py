"""The options that commands share, each described once. No command has more than ten."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

Classes = Annotated[
    str | None,
    typer.Option(
        help="Class list: a file (txt, tsv, csv, json, jsonl, parquet), a folder of class folders, or a built-in name.",
        metavar="FILE|DIR|NAME",
    ),
]
Images = Annotated[
    str | None,
    typer.Option(
        help="Pictures: one folder per class, Parquet files, or any other layout of docs/data.md.", metavar="DIR|FILE"
    ),
]
Config = Annotated[str | None, typer.Option(help="A YAML file, or the name of a shipped config.", metavar="FILE|NAME")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="Change one config key; may be given again.", metavar="KEY=VALUE"),
]
Out = Annotated[Path | None, typer.Option(help="Folder of the results, instead of a new one.", metavar="DIR")]
Seed = Annotated[int | None, typer.Option(help="Seed of everything random.", metavar="N", min=0)]
Device = Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:N.", metavar="NAME")]
Limit = Annotated[int | None, typer.Option(help="Only the first N.", metavar="N", min=1)]
Resume = Annotated[bool, typer.Option("--resume/--no-resume", help="Go on from what an interrupted run left behind.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, for programs.")]
