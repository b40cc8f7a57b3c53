"""A name in backticks, in a docstring or a comment, is a name of the code."""

from __future__ import annotations

import builtins
import re
import warnings
from functools import cache
from pathlib import Path

import repository

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("syntrans/", "mining/", "training/", "world/")
PROSE = re.compile(r'""".*?"""|#[^\n"\']*$', re.DOTALL | re.MULTILINE)
QUOTED = re.compile(r"`{1,2}([A-Za-z_][\w.]*\w)(?:\(\))?`{1,2}")
WORD = re.compile(r"\w+")
# Of other people's code.
FOREIGN = {"LinAlgError", "imagehash", "phash", "make_descriptor_sentence"}


@cache
def modules() -> dict[str, str]:
    """Text of every module of the packages."""
    names = (name for name in repository.files() if name.endswith(".py") and name.startswith(PACKAGES))
    return {name: (ROOT / name).read_text(encoding="utf-8") for name in names}


@cache
def names_of_the_code() -> set[str]:
    """What stands outside docstrings and comments: identifiers, columns, keys; and the names of files and folders."""
    known = {*dir(builtins), *dir(warnings)} | FOREIGN
    known |= {word for name in repository.files() for word in WORD.findall(name)}
    return known.union(*(WORD.findall(PROSE.sub("", text)) for text in modules().values()))


def test_every_name_in_backticks_exists() -> None:
    stale = {
        (name, quoted)
        for name, text in modules().items()
        for prose in PROSE.findall(text)
        for quoted in QUOTED.findall(prose)
        if not names_of_the_code().issuperset(quoted.split("."))
    }
    assert sorted(stale) == []
