"""Options that commands share, and the names that some have had before."""

from __future__ import annotations

import pytest

from syntrans.cli.app import run


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["evaluate", "--against"], "--against was renamed to --published (see syntrans evaluate --help)"),
        (["data", "check", "--as", "cub"], "--as was renamed to --dataset (see syntrans data check --help)"),
        (["train", "--as", "cub"], "No such option: --as"),
    ],
)
def test_a_renamed_option_is_refused_with_its_new_name(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    assert told in capsys.readouterr().err
