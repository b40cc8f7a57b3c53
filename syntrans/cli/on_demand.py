"""Commands whose options are read when they are needed: a list of commands needs their names and first lines alone."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand
from typer.main import get_command_from_info, get_command_name
from typer.models import CommandInfo

F = TypeVar("F", bound=Callable[..., Any])


class App(typer.Typer):
    """Typer, which inspects every option of every command at each start, without that: a fifth of `--help`'s time."""

    def command(self, name: str | None = None, **options: Any) -> Callable[[F], F]:
        """Make a function a command, as Typer does."""

        def add(function: F) -> F:
            command = name or get_command_name(function.__name__)
            info = CommandInfo(command, callback=function, **options)
            help_ = options.pop("help", None) or inspect.getdoc(function)
            add_to_typer = super(App, self).command(command, cls=partial(_Command, info), help=help_, **options)  # type: ignore[arg-type]
            add_to_typer(_not_read_yet)
            return function

        return add


class _Command(TyperCommand):
    """A command that reads its function's options when they are first asked for."""

    def __init__(self, info: CommandInfo, **given: Any) -> None:
        super().__init__(**given)
        self._info: CommandInfo | None = info

    def get_params(self, ctx: Any) -> list[Any]:
        """All options: what parsing, help, usage and completion begin with."""
        if self._info is not None:
            command = get_command_from_info(self._info, pretty_exceptions_short=False, rich_markup_mode=None)
            self.params, self.callback, self._info = command.params, command.callback, None
        return super().get_params(ctx)


def _not_read_yet() -> None:
    """What Typer sees in place of the function."""
