"""docs/method.md and the code name each other: equations by their numbers, and papers."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest
import repository

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "method.md").read_text(encoding="utf-8")
METHODS = ROOT / "training" / "syntrans_training" / "methods"
OURS = ("__init__", "base", "closed_form")  # closed_form: ways to compute SynTrans

EQUATION = re.compile(r"^(?:    |\| )\((\d+[a-z]?)\)", re.MULTILINE)  # of a display, or of a row of section 1
FILE = re.compile(r"`([\w/]+\.py)`")
CITATION = re.compile(r"docs/method\.md\s+((?:\(\d+[a-z]?\)(?:\s*#?\s*(?:,|and|to)\s+(?=\())?)+)")
ARXIV = re.compile(r"\b\d{4}\.\d{5}\b")


@cache
def where() -> dict[str, list[str]]:
    """Files of every equation: those of its row, or of the first "Where" below it."""
    places = {}
    for equation in EQUATION.finditer(PAGE):
        below = PAGE[equation.start() :]
        row = below.startswith("|")
        text = below.partition("\n")[0] if row else re.split(r"[Ww]here:", below)[1].partition("\n\n")[0]
        places[equation[1]] = FILE.findall(text)
    return places


def cited(text: str) -> set[str]:
    """The numbers of equations that a file cites, those between the ends of "(12) to (14)" too."""
    numbers = set()
    for (listed,) in (match.groups() for match in CITATION.finditer(text)):
        numbers |= set(re.findall(r"\((\w+)\)", listed))
        for first, last in re.findall(r"\((\d+)\)\s+to\s+\((\d+)\)", listed):
            numbers |= {str(number) for number in range(int(first), int(last) + 1)}
    return numbers


@cache
def sources() -> dict[str, str]:
    """The text of every Python file outside the tests."""
    names = (name for name in repository.files() if name.endswith(".py") and not name.startswith("tests/"))
    return {name: (ROOT / name).read_text(encoding="utf-8") for name in names}


@pytest.mark.parametrize(("equation", "files"), where().items())
def test_an_equation_is_cited_from_the_file_where_it_lives(equation: str, files: list[str]) -> None:
    assert any(equation in cited(sources()[name]) for name in files), files


def test_every_equation_that_code_cites_is_in_the_page() -> None:
    unknown = {name: cited(text) - where().keys() for name, text in sources().items()}
    assert {name: numbers for name, numbers in unknown.items() if numbers} == {}


def test_every_arxiv_number_of_the_code_is_among_the_references() -> None:
    listed = set(ARXIV.findall(PAGE.partition("## References")[2]))
    packages = ("syntrans/", "mining/", "training/", "world/")
    named = {number for name, text in sources().items() if name.startswith(packages) for number in ARXIV.findall(text)}
    assert named - listed == set()


@pytest.mark.parametrize("name", sorted(path.stem for path in METHODS.glob("*.py") if path.stem not in OURS))
def test_a_method_and_its_classes_name_their_paper(name: str) -> None:
    tree = ast.parse((METHODS / f"{name}.py").read_text(encoding="utf-8"))
    shown = [node for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]
    texts = {name: ast.get_docstring(tree) or ""} | {node.name: ast.get_docstring(node) or "" for node in shown}
    assert [what for what, text in texts.items() if not re.search(r"arXiv|ICCV|docs/method\.md", text)] == []
