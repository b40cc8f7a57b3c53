"""The page of error messages quotes messages that the program has."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8").partition("## Messages")[2]
MESSAGES = [line.split(" | ")[0].strip("| `") for line in PAGE.splitlines() if line.startswith("| `")]
PACKAGES = ("syntrans", "mining/syntrans_mining", "training/syntrans_training")


def text_of(node: ast.expr) -> str:
    """The text of a string, with … for what is filled in."""
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(part) for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else "…"


@cache
def texts() -> str:
    """All strings of the program."""
    trees = (
        ast.parse(path.read_text(encoding="utf-8")) for package in PACKAGES for path in (ROOT / package).rglob("*.py")
    )
    strings = (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant | ast.JoinedStr))
    return "\n".join(map(text_of, strings))


def test_the_page_has_messages() -> None:
    assert len(MESSAGES) > 20


@pytest.mark.parametrize("message", MESSAGES)
def test_the_program_says_what_the_page_quotes(message: str) -> None:
    assert message in texts()
