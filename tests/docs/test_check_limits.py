"""`scripts/check_limits.py` sees shapes left out, circles, vague names, private patches, and tests in no place."""

from __future__ import annotations

from pathlib import Path

import pytest
from check_limits import Breach, breaches


def broken(limit: str, **sources: str) -> list[Breach]:
    files = {Path(name.replace("__", "/") + ".py"): text.split("\n") for name, text in sources.items()}
    return [breach for breach in breaches(files) if breach.limit == limit]


@pytest.mark.parametrize("back", ["from syntrans import a", "def f():\n    from syntrans.a import g"])
def test_two_modules_that_import_each_other_are_a_circle(back: str) -> None:
    (circle,) = broken("circle", syntrans__a="from syntrans import b", syntrans__b=back)
    assert {"syntrans.a", "syntrans.b"} <= set(circle.reason.replace(" <- ", " ").split())


def test_an_import_for_types_alone_makes_no_circle() -> None:
    back = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from syntrans.a import g"
    assert broken("circle", syntrans__a="from syntrans import b", syntrans__b=back) == []


@pytest.mark.parametrize(
    ("text", "count"),
    [("syntrans_training.text", 1), ("package:syntrans_world/weights/clip", 0), ("syntrans_world.truth", 1)],
)
def test_a_string_of_mining_names_neither_training_nor_the_worlds_code(text: str, count: int) -> None:
    assert len(broken("strings", mining__syntrans_mining__a=f"x = {text!r}")) == count


@pytest.mark.parametrize(
    ("test", "count"),
    [
        ("steps__test_merge", 0),
        ("steps__test_merge_twice", 0),
        ("test_steps", 0),
        ("test_merge", 1),
        ("steps__test_me", 1),
    ],
)
def test_tests_stand_where_their_module_stands(test: str, count: int) -> None:
    assert len(broken("mirror", mining__syntrans_mining__steps__merge="", **{f"tests__mining__{test}": ""})) == count


TORCH = "import torch\n"


def breaks_shapes(source: str) -> bool:
    files = {Path("training/x.py"): source.splitlines()}
    return any(breach.limit == "shapes" for breach in breaches(files))


@pytest.mark.parametrize(
    "source",
    [
        "def f(x: Tensor): ...",
        "def f(x: Tensor | None = None): ...",
        "def f(x: float | torch.Tensor): ...",
        "def f(x: np.ndarray): ...",
        "def f(x: NDArray[np.int64]): ...",
        "class A:\n    def __init__(self, x: Tensor): ...",
        'def f(x: NDArray[np.int64]):\n    "[n]"',
    ],
)
def test_where_torch_is_an_array_has_its_shape_in_its_type(source: str) -> None:
    assert breaks_shapes(TORCH + source)


@pytest.mark.parametrize("said", ['"of x [n, d]"', '"See `Space.f`."'])
def test_without_torch_the_docstring_may_say_the_shape(said: str) -> None:
    assert not breaks_shapes(f"def f(x: NDArray[np.int64]):\n    {said}")
    assert breaks_shapes("def f(x: NDArray[np.int64]): ...")


@pytest.mark.parametrize("source", ['def f(x: Float[Tensor, "n d"] | None): ...', "def _f(x: Tensor): ..."])
def test_shapes_and_private_functions_are_let_alone(source: str) -> None:
    assert not breaks_shapes(TORCH + source)


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("found = 1", 1),
        ("def f(how): ...", 1),
        ("def made(): ...", 1),
        ("x = [asked for asked in y]", 1),
        ("f(found=1)\nx.made = 2\ny = x.asked", 0),
        ("class A:\n    found: int\n    how = 1\n    def asked(self): ...", 0),
    ],
)
def test_a_variable_says_what_it_holds(source: str, count: int) -> None:
    assert len(broken("names", benchmarks__a=source)) == count


@pytest.mark.parametrize(
    ("call", "count"),
    [
        ('monkeypatch.setattr(demo, "_train", stop)', 1),
        ('monkeypatch.setattr("syntrans.files.scratch._LONGEST", 1)', 1),
        ('monkeypatch.setattr(torch, "__version__", "99")', 0),
        ('monkeypatch.setattr("importlib.util.find_spec", find)', 0),
    ],
)
def test_tests_patch_nothing_private(call: str, count: int) -> None:
    assert len(broken("patches", tests__a=call)) == count
