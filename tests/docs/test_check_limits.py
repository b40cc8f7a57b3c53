"""The limits of scripts/check_limits.py: which functions have to say the shapes of what they take."""

from pathlib import Path

import check_limits
import pytest

TORCH = "import torch\n"


def breaks_shapes(source: str) -> bool:
    files = {Path("training/x.py"): source.splitlines()}
    return any(breach.limit == "shapes" for breach in check_limits.breaches(files))


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
