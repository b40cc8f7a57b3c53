"""The commands that the pages and configs name as the source of a figure."""

from __future__ import annotations

import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = [
    *(REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md", "Makefile", "artifacts/README.md")),
    *sorted(set(REPOSITORY.glob("docs/*.md")) - {REPOSITORY / "docs" / "commands.md"}),  # that one is of --help
    *sorted(REPOSITORY.glob("*ing/README.md")),
    *sorted(REPOSITORY.glob("*ing/configs/*.yaml")),
]
BENCHMARK = re.compile(r"python (benchmarks/\w+/\w+\.py[^\n`#;|&()]*)")
NAMES = (
    "mine", "train", "evaluate", "import", "compare", "report", "demo", "edit", "inspect", "predict", "serve", "pack",
    "doctor", "imagine", "install", "classes check", "data check", "config show",
)  # fmt: skip
SYNTRANS = re.compile(rf"(?<![\w/-])syntrans ((?:{'|'.join(NAMES)}) [^\n`#;|&()>]*)")
PROSE = {  # no whole commands
    "import --format jsonl",
    "install minilm, or name a folder",
    "mine --limit N",
    "predict --descriptors",
    "predict --out names.html",
}


def commands(pattern: re.Pattern[str]) -> list[str]:
    """What the pages name, each once, continued lines joined."""
    listed: dict[str, None] = {}
    for page in PAGES:
        text = re.sub(r"\\\n#? *", "", page.read_text(encoding="utf-8"))
        # Two blanks begin a remark; <run> and $run stand for a name.
        listed |= {re.split(r" {2,}", line.strip())[0].strip(): None for line in pattern.findall(text)}
    return list(listed)


BENCHMARKS = commands(BENCHMARK)
COMMANDS = [command for command in commands(SYNTRANS) if command not in PROSE]
