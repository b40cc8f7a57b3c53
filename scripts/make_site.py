"""Gather the pages for MkDocs: every Markdown file of the repository at its own path, and every file that one links to.

So the links that work in a checkout work on the site.

Usage: python scripts/make_site.py, then mkdocs build (`make docs-site` does both).
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "build" / "pages"
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def pages() -> list[Path]:
    """The Markdown files of the repository, relative to its root."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [path for name in listed.stdout.splitlines() if (ROOT / (path := Path(name))).is_file()]


def linked(page: Path) -> list[Path]:
    """The files that a page links to, relative to the root."""
    links = [link for link in LINK.findall((ROOT / page).read_text(encoding="utf-8")) if "://" not in link]
    targets = ((ROOT / page.parent / link).resolve() for link in links)
    return [target.relative_to(ROOT) for target in targets if target.is_file()]


def main() -> None:
    """Write build/pages anew."""
    shutil.rmtree(PAGES, ignore_errors=True)
    all_pages = pages()
    files = {*all_pages, *(target for page in all_pages for target in linked(page)), Path("llms.txt")}
    for file in sorted(files):
        target = PAGES / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / file, target)
    print(f"{len(all_pages)} pages and {len(files) - len(all_pages)} files in {PAGES}")


if __name__ == "__main__":
    main()
