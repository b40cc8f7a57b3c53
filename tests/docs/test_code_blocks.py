"""What the pages show as code runs, or is read by what reads it; and every picture stands beside its command."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import repository
import yaml

from syntrans.descriptors.edits import read_edits

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^ *```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
PICTURE = re.compile(r"!\[[^\]]+\]\(([^)]+)\)")
COMMAND = re.compile(r"^(?:syntrans|python|make) \S|`(?:syntrans|python|make) \S", re.MULTILINE)
READERS: dict[str, Callable[[str], object]] = {"json": json.loads, "yaml": yaml.safe_load, "toml": tomllib.loads}
PAGES = [name for name in repository.files() if name.endswith(".md")]


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(*languages: str, pages: list[str] = PAGES) -> list[str]:
    return [code for name in pages for language, code in BLOCK.findall(text_of(name)) if language in languages]


def test_data_on_a_page_can_be_read() -> None:
    code_blocks = [(language, code) for name in PAGES for language, code in BLOCK.findall(text_of(name))]
    data = [READERS[language](code) for language, code in code_blocks if language in READERS]
    assert len(data) >= 3


def test_the_shell_can_read_every_command() -> None:
    script = "\n".join(blocks("bash", "sh")).replace("<run>", "RUN")
    done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_corrections_of_the_page_are_corrections(tmp_path: Path) -> None:
    (code,) = blocks("json", pages=["docs/report.md"])
    (tmp_path / "edits.json").write_text(code, encoding="utf-8")
    (edit,) = read_edits(tmp_path / "edits.json")
    assert (edit.action, edit.class_, edit.text) == ("veto", "goldfinch", "a red breast")


def test_the_query_and_the_snippet_of_the_contract_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed")
    shutil.copy(ROOT / "tests" / "syntrans" / "contract" / "assets" / "descriptors.parquet", tmp_path)
    monkeypatch.chdir(tmp_path)
    (query,) = blocks("sql", pages=["README.md"])
    assert duckdb.sql(query).fetchall()
    (snippet,) = blocks("python", pages=["artifacts/README.md"])
    exec(compile(snippet, "artifacts/README.md", "exec"), {})


@pytest.mark.parametrize("name", [name for name in PAGES if PICTURE.search(text_of(name))])
def test_a_picture_stands_in_one_section_with_the_command_that_made_it(name: str) -> None:
    sections = re.split(r"^#+ ", text_of(name), flags=re.MULTILINE)
    alone = [PICTURE.findall(text) for text in sections if PICTURE.search(text) and not COMMAND.search(text)]
    assert alone == []
