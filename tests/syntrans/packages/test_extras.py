"""What is not installed is said in one way, with the command that brings it."""

from __future__ import annotations

import pytest

from syntrans.errors import EnvironmentProblem
from syntrans.packages.extras import EXTRAS, broken_import, is_here, not_here, of_missing_module, require


def test_a_package_is_looked_for_and_not_imported() -> None:
    assert is_here("json")
    assert not is_here("no_such_package_of_anybody")


def test_what_is_here_is_not_asked_for() -> None:
    require("this", "train", ("json", "pathlib"))


def test_the_message_names_what_is_missing_and_the_command() -> None:
    with pytest.raises(EnvironmentProblem) as problem:
        require("predict", "predict", ("json", "nobody_has_this"), otherwise="name a folder")
    assert str(problem.value) == (
        "predict needs nobody_has_this, which is not installed; run: syntrans install predict, or name a folder"
    )


def test_of_many_packages_three_are_named() -> None:
    said = str(not_here("train", ["a", "b", "c", "d", "e"], "train"))
    assert said == "train needs a, b, c and 2 more, which are not installed; run: syntrans install train"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ModuleNotFoundError("no", name="nobody_has_this.part"), "needs nobody_has_this, which is not installed"),
        (ModuleNotFoundError("no module named json.x", name="json.x"), "does not import (no module named json.x)"),
        (ImportError("undefined symbol: x"), "does not import (undefined symbol: x); install it anew"),
    ],
)
def test_a_broken_package_is_told_from_a_missing_one(error: ImportError, said: str) -> None:
    assert said in str(broken_import(error, "timm:x", "train"))


def test_a_module_of_an_extra_leads_to_the_extra() -> None:
    problem = of_missing_module(ModuleNotFoundError("no", name="onnxruntime.capi"))
    assert "syntrans install predict" in str(problem)
    assert "syntrans install train" in str(of_missing_module(ModuleNotFoundError("no", name="torch")))
    assert of_missing_module(ModuleNotFoundError("no", name="nobody_has_this")) is None


def test_every_extra_names_packages_and_a_purpose() -> None:
    assert all(extra.purpose and extra.packages for extra in EXTRAS.values())
