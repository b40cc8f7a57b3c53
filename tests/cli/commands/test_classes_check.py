"""`syntrans classes check`: what it prints, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Call = Callable[..., Any]  # see conftest.py


def test_checking_a_clean_list_ends_with_0(call: Call) -> None:
    assert call("classes", "check", "mini") == (0, "mini: 100 classes, 0 errors, 0 warnings\n", "")


def test_checking_is_the_same_with_the_option(call: Call) -> None:
    assert call("classes", "check", "--classes", "mini").code == 0


def test_checking_a_list_with_errors_ends_with_3_and_lists_them(call: Call, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("wolf\nWolf\nbear\npolar bear\n")
    done = call("classes", "check", tmp_path / "list.txt")
    assert done.code == 3
    assert done.out.splitlines()[0].startswith("error    duplicate_name")
    assert "warning  name_in_name" in done.out


def test_checking_speaks_json(call: Call, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("bear\npolar bear\n")
    report = json.loads(call("classes", "check", tmp_path / "list.txt", "--json").out)
    assert (report["classes"], report["errors"], report["warnings"]) == (2, 0, 1)
    assert report["findings"][0]["entries"] == ["bear", "polar-bear"]
