"""The page of `syntrans doctor`."""

from __future__ import annotations

from collections.abc import Sequence

from syntrans.machine import MARKS, Check
from syntrans.tables import add_row, as_text, fitted, table, width_of
from syntrans.text_safety import plain_text


def render_checks(checks: Sequence[Check]) -> str:
    """One line a check, and below the table what to do about those that are not well."""
    rows = table("", "what", "found", whole=("", "what"))
    for check in checks:
        add_row(rows, check.mark, check.name, check.found)
    todo = [f"{check.name}: {check.todo}" for check in checks if check.mark != "ok" and check.todo]
    counts = {mark: sum(check.mark == mark for check in checks) for mark in MARKS}
    total = f"{counts['ok']} ok, {counts['warn']} warnings, {counts['fail']} failures"
    width = width_of()
    return "\n".join([as_text(fitted(rows, width), width), *(f"- {plain_text(words)}" for words in todo), total])
