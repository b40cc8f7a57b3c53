"""Every expected failure is one line with its exit code."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from syntrans import errors
from syntrans.errors import EnvironmentProblem, InputError, SyntransError, in_one_line


def test_each_kind_has_an_exit_code_of_its_own() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, SyntransError)]
    assert sorted(kind.exit_code for kind in kinds) == [1, 2, 3, 4, 5, 6]


def test_a_message_is_one_line_whatever_its_parts_were() -> None:
    assert str(InputError("a.txt\nsays:\r\n  nothing\t. ")) == "a.txt says: nothing ."


@pytest.mark.parametrize(
    ("error", "said", "code"),
    [
        (MemoryError(), "the memory is used up", EnvironmentProblem.exit_code),
        (RecursionError(), "nested too deep", InputError.exit_code),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), "save it as UTF-8", InputError.exit_code),
        (OSError(errno.ENOSPC, "No space left on device", "x.bin"), "x.bin: No space left", 4),
        (OSError("odd"), "odd; check the path", EnvironmentProblem.exit_code),
    ],
)
def test_what_nobody_expected_is_told_in_one_line(error: OSError | MemoryError, said: str, code: int) -> None:
    message, exit_code = in_one_line(error)
    assert said in message
    assert "\n" not in message
    assert exit_code == code


def test_a_working_directory_that_is_gone_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "here").rmdir()
    assert in_one_line(FileNotFoundError(errno.ENOENT, "No such file", "a"))[0].startswith("the working directory")
