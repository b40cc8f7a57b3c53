"""The site: every page has its place in the navigation and in llms.txt, and every anchor leads to a heading."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import markdown
import pytest
import repository
import yaml

ROOT = Path(__file__).resolve().parents[2]
NAV = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
ANCHOR = re.compile(r"\]\(([^)#\s]*)#([^)\s]+)\)")
ENTRY = re.compile(r"^- \[(.+?)\]\((.+?)\): (.+)$", re.MULTILINE)


def pages() -> list[str]:
    return [name for name in repository.files() if name.endswith(".md")]


def entries(nav: list[Any]) -> Iterator[tuple[str, str]]:
    """Title and page of every entry, in order."""
    for entry in nav:
        for title, below in entry.items():
            yield from entries(below) if isinstance(below, list) else [(title, below)]


def anchors(page: Path) -> set[str]:
    """The ids that MkDocs gives to the headings of a page."""
    parser = markdown.Markdown(extensions=["toc", "fenced_code", "tables"])
    parser.convert(page.read_text(encoding="utf-8"))
    tokens, ids = list(getattr(parser, "toc_tokens", [])), set()
    while tokens:
        token = tokens.pop()
        ids.add(token["id"])
        tokens += token["children"]
    return ids


def test_every_page_stands_once_in_the_navigation() -> None:
    listed = [page for _, page in entries(NAV)]
    assert sorted(listed) == sorted(pages())


def test_llms_txt_lists_the_pages_of_the_navigation_and_says_what_each_holds() -> None:
    text = (ROOT / "llms.txt").read_text(encoding="utf-8")
    assert [(title, page) for title, page, _ in ENTRY.findall(text)] == list(entries(NAV))
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == [
        title for entry in NAV for title, below in entry.items() if isinstance(below, list)
    ]


@pytest.mark.parametrize("name", [name for name in pages() if ANCHOR.search((ROOT / name).read_text(encoding="utf-8"))])
def test_every_anchor_of_a_page_leads_to_a_heading(name: str) -> None:
    page = ROOT / name
    links = ANCHOR.findall(page.read_text(encoding="utf-8"))
    ours = [(path, anchor) for path, anchor in links if "://" not in path]
    assert [link for link in ours if link[1] not in anchors(page.parent / link[0] if link[0] else page)] == []


@pytest.mark.parametrize("name", ["syntrans", "skd", "cmkd", "flier"])
def test_a_published_system_has_what_is_published_here_different_and_found(name: str) -> None:
    text = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    headings = ["Published", "Here", "What differs", "What it gave", "Run it"]
    assert [title for title in re.findall(r"^## (.+)$", text, re.MULTILINE) if title in headings] == headings
