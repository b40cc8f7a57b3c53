"""`syntrans classes check`: errors and likely problems of a class list."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from syntrans.cli.options import Json
from syntrans.console import print_json
from syntrans.errors import InputError


def classes_check(
    classes: Annotated[str | None, typer.Argument(help="A file, or a built-in name.", show_default=False)] = None,
    option: Annotated[
        str | None, typer.Option("--classes", help="The class list, as an option.", metavar="FILE|NAME")
    ] = None,
    json_: Json = False,
) -> None:
    """Find errors and likely problems in a class list.

    \b
    syntrans classes check mini
    syntrans classes check my_classes.txt

    Exits with 3 if there is an error; warnings do not change the exit code.
    """
    source = classes or option
    if source is None:
        raise typer.BadParameter("name a class list: syntrans classes check FILE")
    findings, text = check_classes(source)
    if json_:
        print_json(findings)
    else:
        typer.echo(text)
    if findings["errors"]:
        raise typer.Exit(InputError.exit_code)


def check_classes(source: str) -> tuple[dict[str, Any], str]:
    """The findings about a class list, as plain values and as text."""
    from syntrans.classes.lint import empty_lines, lint
    from syntrans.images.class_lists import read_classes

    entries = read_classes(source)
    findings = [finding._asdict() for finding in [*lint(entries), *empty_lines(source)]]
    errors = sum(finding["level"] == "error" for finding in findings)
    counts = {"classes": len(entries), "errors": errors, "warnings": len(findings) - errors}
    lines = [f"{finding['level']:<8} {finding['rule']:<15} {finding['message']}" for finding in findings]
    total = f"{source}: {counts['classes']} classes, {errors} errors, {counts['warnings']} warnings"
    return {"file": source, **counts, "findings": findings}, "\n".join([*lines, total])
