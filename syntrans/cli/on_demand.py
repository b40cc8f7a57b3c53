"""Commands that are imported when they are needed: a list of commands takes their names and first lines alone."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from typer.core import TyperCommand, TyperGroup
from typer.main import get_command_from_info
from typer.models import CommandInfo

from syntrans.cli.commands import COMMANDS, GROUPS, function_of


class Commands(TyperGroup):
    """The commands of `syntrans.cli.commands`, and their groups."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        for name, line in COMMANDS.items():
            parent: TyperGroup = self
            *groups, last = name.split()
            for group in groups:
                subcommands = TyperGroup(name=group, help=GROUPS[group], rich_markup_mode=None)
                parent = self.commands.setdefault(group, subcommands)  # type: ignore[assignment]  # a group is a command
            parent.add_command(_Command(function_of(name), name=last, help=line, rich_markup_mode=None))


class _Command(TyperCommand):
    """A command that reads its function when its options are first asked for."""

    def __init__(self, function: str, **given: Any) -> None:
        super().__init__(**given)
        self._function: str | None = function

    def get_params(self, ctx: Any) -> list[Any]:
        """All options: what parsing, help, usage and completion begin with."""
        if self._function is not None:
            function = getattr(import_module(f"syntrans.cli.commands.{self._function}"), self._function)
            info = CommandInfo(self.name, callback=function)
            command = get_command_from_info(info, pretty_exceptions_short=False, rich_markup_mode=None)
            self.params, self.callback, self.help = command.params, command.callback, command.help
            self._function = None
        return super().get_params(ctx)
