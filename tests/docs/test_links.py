"""The documentation names files that exist: relative links, and paths in backticks."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
# A path in backticks: of a folder that lies in the repository, or a Python file below one of the packages' folders.
PATH = re.compile(r"`((?:[\w.-]+/)+[\w.-]*\.(?:py|md|yaml|json|toml|jinja)|(?:[\w.-]+/)*\w+\.py)`")
PACKAGES = ("", "syntrans", "mining/syntrans_mining", "training/syntrans_training", "world/syntrans_world")
WRITTEN = ("artifacts/", "README.md")  # outputs of a run, and the card in a package that `syntrans pack` makes
OF_USERS = frozenset({"my/crosscheck.v1.yaml"})


def pages() -> list[str]:
    """Every page in the repository."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in listed.stdout.split() if (ROOT / name).exists()]


def is_there(path: str, page: Path, files: frozenset[str]) -> bool:
    """Whether a path in backticks is one of the repository's, beside its page, or the end of a package's path."""
    if "/" not in path:
        return any(file.endswith(f"/{path}") for file in files) or path in files
    return any((ROOT / folder / path).exists() for folder in PACKAGES) or (page.parent / path).exists()


@pytest.mark.parametrize("name", pages())
def test_every_relative_link_of_a_page_leads_to_a_file(name: str) -> None:
    page = ROOT / name
    links = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("name", [name for name in pages() if name != "CHANGELOG.md"])
def test_every_path_in_backticks_is_a_file_of_the_repository(name: str) -> None:
    page = ROOT / name
    listed = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True)
    files = frozenset(listed.stdout.split())
    named = set(PATH.findall(page.read_text(encoding="utf-8"))) - OF_USERS
    assert sorted(path for path in named if not path.startswith(WRITTEN) and not is_there(path, page, files)) == []
