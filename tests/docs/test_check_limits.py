"""`scripts/check_limits.py` sees circles of modules and strings that stand for imports."""

from __future__ import annotations

from pathlib import Path

import pytest
from check_limits import Breach, breaches


def found(limit: str, **sources: str) -> list[Breach]:
    files = {Path(name.replace("__", "/") + ".py"): text.split("\n") for name, text in sources.items()}
    return [breach for breach in breaches(files) if breach.limit == limit]


@pytest.mark.parametrize("back", ["from syntrans import a", "def f():\n    from syntrans.a import g"])
def test_two_modules_that_import_each_other_are_a_circle(back: str) -> None:
    (circle,) = found("circle", syntrans__a="from syntrans import b", syntrans__b=back)
    assert {"syntrans.a", "syntrans.b"} <= set(circle.how.replace(" <- ", " ").split())


def test_an_import_for_types_alone_makes_no_circle() -> None:
    back = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from syntrans.a import g"
    assert found("circle", syntrans__a="from syntrans import b", syntrans__b=back) == []


@pytest.mark.parametrize(
    ("text", "count"),
    [("syntrans_training.text", 1), ("package:syntrans_world/weights/clip", 0), ("syntrans_world.truth", 1)],
)
def test_a_string_of_mining_names_neither_training_nor_the_worlds_code(text: str, count: int) -> None:
    assert len(found("strings", mining__syntrans_mining__a=f"x = {text!r}")) == count
