"""Limits that keep the code readable, checked: lines, functions, parameters, modules a folder, shapes, circles, names.

Run by `make lint`. What must break a limit stands in EXCEPTIONS with its reason; an exception that is no longer needed
is an error too, so the list cannot grow old. How many lines of tests there are to a line of code is printed.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("syntrans", "mining", "training", "world")
FILE_LINES, FUNCTION_LINES, PARAMETERS, MODULES = 300, 40, 8, 15

# A folder -> what none of its strings may name: an import in other words. A path of the world's weights is none.
STRANGERS = {
    "mining": ("syntrans_training", "syntrans_world"),
    "training": ("syntrans_mining", "syntrans_world"),
    "world": ("syntrans_mining", "syntrans_training"),
}
WEIGHTS = "package:syntrans_world"

OPTIONS = "an option of the command line is a parameter"
# (place, limit) -> why the place may break it
EXCEPTIONS: dict[tuple[str, str], str] = {
    ("syntrans/cli/commands", "modules"): "a file is a command, and there are as many",
    ("syntrans/cli/commands/evaluate.py:evaluate", "parameters"): OPTIONS,
    ("syntrans/cli/commands/train.py:train", "parameters"): OPTIONS,
    ("syntrans/cli/commands/edit.py:edit", "parameters"): OPTIONS,
    ("syntrans/cli/commands/report.py:report", "parameters"): OPTIONS,
    ("syntrans/cli/commands/report.py:report", "lines"): "its options are most of them",
    ("syntrans/cli/commands/predict.py:predict", "parameters"): OPTIONS,
    ("syntrans/cli/commands/predict.py:predict", "lines"): "its options are most of them",
}


class Breach(NamedTuple):
    """A place, the limit that it breaks, and how."""

    place: str
    limit: str
    how: str


def read() -> dict[Path, list[str]]:
    """The lines of every Python file of the repository."""
    command = ["git", "ls-files", "*.py"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    files = [Path(name) for name in listed.stdout.split() if (ROOT / name).exists()]
    return {path: (ROOT / path).read_text(encoding="utf-8").splitlines() for path in files}


def breaches(files: Mapping[Path, list[str]]) -> Iterator[Breach]:
    """Every place that breaks a limit, and how."""
    for path, lines in files.items():
        name = path.as_posix()
        if len(lines) > FILE_LINES:
            yield Breach(name, "lines", f"{len(lines)} lines, at most {FILE_LINES}")
    trees = {path: ast.parse("\n".join(lines)) for path, lines in files.items() if path.parts[0] in PACKAGES}
    for path, tree in trees.items():
        yield from _of_functions(tree, path.as_posix())
        yield from _of_strings(tree, path.as_posix(), STRANGERS.get(path.parts[0], ()))
    yield from _circles({_module(path): tree for path, tree in trees.items()})
    folders = Counter(path.parent for path in files if path.name != "__init__.py")
    for folder, count in folders.items():
        if count > MODULES and folder.parts[0] in PACKAGES:
            yield Breach(folder.as_posix(), "modules", f"{count} modules, at most {MODULES}")


def _of_functions(tree: ast.AST, name: str) -> Iterator[Breach]:
    outer = [child for parent in ast.walk(tree) if not isinstance(parent, ast.FunctionDef) for child in _body(parent)]
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        place, length = f"{name}:{node.name}", (node.end_lineno or node.lineno) - node.lineno + 1
        if length > FUNCTION_LINES:
            yield Breach(place, "lines", f"{length} lines, at most {FUNCTION_LINES}")
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        taken = sum(argument.arg not in ("self", "cls") for argument in arguments)
        if taken > PARAMETERS:
            yield Breach(place, "parameters", f"{taken} parameters, at most {PARAMETERS}")
        if node in outer and not node.name.startswith("_") and _takes_bare_tensor(arguments):
            yield Breach(place, "shapes", "a tensor without its shape (jaxtyping)")


def _body(node: ast.AST) -> list[ast.stmt]:
    return getattr(node, "body", []) if isinstance(node, ast.Module | ast.ClassDef) else []


def _takes_bare_tensor(arguments: list[ast.arg]) -> bool:
    return any(isinstance(a.annotation, ast.Name) and a.annotation.id == "Tensor" for a in arguments)


def _of_strings(tree: ast.AST, name: str, strangers: tuple[str, ...]) -> Iterator[Breach]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value.replace(WEIGHTS, "")
            yield from (Breach(name, "strings", f"a string names {other}") for other in strangers if other in text)


def _circles(trees: Mapping[str, ast.AST]) -> Iterator[Breach]:
    """The first circle of modules that import each other, imports inside functions included."""
    imports = {name: {found for found in _imported(tree, trees) if found != name} for name, tree in trees.items()}
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        circle: list[str] = error.args[1]
        yield Breach(circle[0], "circle", f"imports itself: {' <- '.join(circle)}")


def _imported(node: ast.AST, modules: Mapping[str, ast.AST]) -> Iterator[str]:
    """Which of our modules are imported anywhere below a node; what is for types alone does not count."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names if alias.name in modules)
        elif isinstance(child, ast.ImportFrom):
            names = (f"{child.module}.{alias.name}" for alias in child.names)
            yield from (name if name in modules else str(child.module) for name in names)
        else:
            yield from _imported(child, modules)


def _module(path: Path) -> str:
    """The name that a file is imported by."""
    parts = path.with_suffix("").parts[path.parts[0] != "syntrans" :]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def tests_to_code(files: Mapping[Path, list[str]]) -> float:
    """Lines of the tests over lines of the packages."""
    tests, code = (
        sum(len(lines) for path, lines in files.items() if path.parts[0] in tops) for tops in (("tests",), PACKAGES)
    )
    return tests / code


def main() -> int:
    """Print what is wrong; 1 if anything is."""
    files = read()
    found = list(breaches(files))
    broken = {(breach.place, breach.limit) for breach in found}
    wrong = [f"{place}: {how}" for place, limit, how in found if (place, limit) not in EXCEPTIONS]
    wrong += [f"{place}: keeps its limit of {limit}; not an exception" for place, limit in EXCEPTIONS.keys() - broken]
    print(*sorted(wrong), f"limits: {len(wrong)} breaches, {len(EXCEPTIONS)} exceptions", sep="\n")
    print(f"tests/code: {tests_to_code(files):.3f} lines")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
