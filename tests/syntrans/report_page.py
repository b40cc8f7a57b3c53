"""Hands and eyes for tests of the page of `syntrans report`: click a button, find a section, read rows and files."""

from __future__ import annotations

import json
import time
from pathlib import Path

from chromium import Page


def click(page: Page, text: str, within: str = "document") -> None:
    wanted = json.dumps(text)
    page.js(f"[...{within}.querySelectorAll('button')].find((one) => one.textContent === {wanted}).click()")


def section(title: str) -> str:
    return f"[...document.querySelectorAll('h3')].find((one) => one.textContent === {title!r}).closest('section')"


def texts(page: Page) -> list[str]:
    return page.js("[...document.querySelectorAll('.rows .text')].map((one) => one.textContent)")


def saved(folder: Path, name: str) -> str:
    end = time.monotonic() + 30
    while not (folder / "saved" / name).is_file():
        assert time.monotonic() < end, f"{name} was not saved"
        time.sleep(0.05)
    return (folder / "saved" / name).read_text(encoding="utf-8")
