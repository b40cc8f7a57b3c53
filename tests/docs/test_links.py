"""The documentation names files that exist: relative links, and paths of the repository in backticks."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
import repository

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
QUOTED = re.compile(r"`([\w./-]+\.\w+)`")
# Where a page may begin a path: at the root, in a package, or beside itself.
PLACES = ("", "syntrans", "mining/syntrans_mining", "training/syntrans_training", "world/syntrans_world")
FOLDERS = frozenset({"benchmarks", "containers", "docs", "mining", "prompts", "requirements", "scripts", "syntrans"})
FOLDERS |= {"tests", "training", "world"}


@cache
def listed() -> frozenset[str]:
    """Every file of the repository, also what is not committed yet."""
    return frozenset(repository.files())


PAGES = sorted(name for name in listed() if name.endswith(".md"))


def looks_like_ours(path: str) -> bool:
    """A Python file, or a file below one of the repository's folders."""
    return path.endswith(".py") or (path.partition("/")[0] in FOLDERS and "/" in path)


def is_there(path: str, page: Path) -> bool:
    """Whether it is a file below one of PLACES, beside its page, or, a bare name, anywhere."""
    if "/" not in path:
        return any(name.rpartition("/")[2] == path for name in listed())
    return any((ROOT / place / path).exists() for place in PLACES) or (page.parent / path).exists()


@pytest.mark.parametrize("name", PAGES)
def test_every_relative_link_of_a_page_leads_to_a_file(name: str) -> None:
    page = ROOT / name
    links = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("name", [name for name in PAGES if name != "CHANGELOG.md"])
def test_every_file_that_a_page_names_is_in_the_repository(name: str) -> None:
    page = ROOT / name
    named = {path for path in QUOTED.findall(page.read_text(encoding="utf-8")) if looks_like_ours(path)}
    assert sorted(path for path in named if not is_there(path, page)) == []
