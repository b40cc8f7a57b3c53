"""Sizes that keep the code readable, checked: lines, functions, parameters, modules a folder, shapes of tensors.

Run by `make lint`. What must break a limit stands in EXCEPTIONS with its reason; an exception that is no longer needed
is an error too, so the list cannot grow old. How many lines of tests there are to a line of code is printed.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("syntrans", "mining", "training", "world")
FILE_LINES, FUNCTION_LINES, PARAMETERS, MODULES = 300, 40, 8, 15
ARRAYS = ("Tensor", "NDArray", "ndarray", "Array", "Labels")  # types that say no shape

OPTIONS = "an option of the command line is a parameter"
PREDICTION = "training/syntrans_training/prediction"
PROTOCOLS = "its arrays are those of the protocols of predict, which need no torch and say their shapes"
# (place or file, limit) -> why the place may break it
EXCEPTIONS: dict[tuple[str, str], str] = {
    ("syntrans/cli", "modules"): "there are as many commands, and what they share stands beside them",
    ("syntrans/cli/app.py:evaluate", "parameters"): OPTIONS,
    ("syntrans/cli/app.py:train", "parameters"): OPTIONS,
    ("syntrans/cli/edit.py:edit", "parameters"): OPTIONS,
    ("syntrans/cli/report.py:report", "parameters"): OPTIONS,
    ("syntrans/cli/report.py:report", "lines"): "its options are most of them",
    ("syntrans/cli/predict.py:predict", "parameters"): OPTIONS,
    ("syntrans/cli/predict.py:predict", "lines"): "its options are most of them",
    (f"{PREDICTION}/trained_bridge.py", "shapes"): PROTOCOLS,
    (f"{PREDICTION}/encoders/trained.py", "shapes"): PROTOCOLS,
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
        if path.parts[0] in PACKAGES:
            yield from _of_functions(ast.parse("\n".join(lines)), name)
    folders = Counter(path.parent for path in files if path.name != "__init__.py")
    for folder, count in folders.items():
        if count > MODULES and folder.parts[0] in PACKAGES:
            yield Breach(folder.as_posix(), "modules", f"{count} modules, at most {MODULES}")


def _of_functions(tree: ast.Module, name: str) -> Iterator[Breach]:
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
        public = node in outer and (node.name == "__init__" or not node.name.startswith("_"))
        if public and any(_is_bare(a.annotation) for a in arguments) and not _says_shapes(tree, node):
            yield Breach(place, "shapes", "an array without its shape (jaxtyping; without torch the docstring)")


def _body(node: ast.AST) -> list[ast.stmt]:
    return getattr(node, "body", []) if isinstance(node, ast.Module | ast.ClassDef) else []


def _is_bare(annotation: ast.expr | None) -> bool:
    """Whether an array without a shape is what an annotation names, or one of its alternatives."""
    if isinstance(annotation, ast.BinOp):
        return _is_bare(annotation.left) or _is_bare(annotation.right)
    named = annotation.value if isinstance(annotation, ast.Subscript) else annotation
    return named is not None and ast.unparse(named).rpartition(".")[2] in ARRAYS


def _says_shapes(tree: ast.Module, node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether the docstring has shapes, as in "[n, d]", or names who does, in a module that needs no torch.

    There jaxtyping may be missing too.
    """
    imports = (ast.unparse(child) for child in tree.body if isinstance(child, ast.Import | ast.ImportFrom))
    said = ast.get_docstring(node) or ""
    return ("[" in said or "See `" in said) and not any("torch" in line.split(".")[0] for line in imports)


def _excuses(breach: Breach) -> set[tuple[str, str]]:
    """The exceptions that would allow it: of its place, or of the whole file."""
    return {(breach.place, breach.limit), (breach.place.partition(":")[0], breach.limit)}


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
    broken = set[tuple[str, str]]().union(*map(_excuses, found))
    wrong = [f"{breach.place}: {breach.how}" for breach in found if not _excuses(breach) & EXCEPTIONS.keys()]
    wrong += [f"{place}: keeps its limit of {limit}; not an exception" for place, limit in EXCEPTIONS.keys() - broken]
    print(*sorted(wrong), f"limits: {len(wrong)} breaches, {len(EXCEPTIONS)} exceptions", sep="\n")
    print(f"tests/code: {tests_to_code(files):.3f} lines")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
