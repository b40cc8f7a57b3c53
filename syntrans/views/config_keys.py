"""The page of `syntrans config show`: one key in full, or a table of many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from syntrans.tables import add_row, as_text, heading, table, width_of
from syntrans.text_safety import plain_text

MUST = "(must be given)"
_FEW = 3


def render(keys: Sequence[Mapping[str, Any]], config: str | None) -> str:
    """At most three keys in full; more of them as a table for each command."""
    if len(keys) <= _FEW and not any(key["is_section"] for key in keys):
        return "\n\n".join(_in_full(key, config) for key in keys)
    commands = dict.fromkeys(key["command"] for key in keys)
    parts = (_table(command, [key for key in keys if key["command"] == command], config) for command in commands)
    return "\n".join(parts).lstrip("\n")


def _in_full(key: Mapping[str, Any], config: str | None) -> str:
    lines = [f"{key['name']} ({key['command']})", key["meaning"], f"values   {key['values']}"]
    lines.append(f"default  {MUST if key['default'] is None else key['default']}")
    if config is not None:
        lines.append(f"value    {key['value']} in {config}")
    return "\n  ".join(plain_text(line) for line in lines)


def _table(command: str, keys: Sequence[Mapping[str, Any]], config: str | None) -> str:
    value = "default" if config is None else f"in {config}"
    rows = table("key", value, "values", "meaning", whole=("key",))
    for key in keys:
        add_row(rows, key["name"], _value(key, config), key["values"], key["meaning"])
    width = width_of()
    return as_text(heading(f"syntrans {command}", rows, width, spare=("values",)), width)


def _value(key: Mapping[str, Any], config: str | None) -> str:
    if key["is_section"]:
        return ""
    if config is None:
        return MUST if key["default"] is None else str(key["default"])
    return str(key["value"] or "")
