"""Sizes that keep the code readable, checked: lines, functions, parameters, modules a folder, shapes of tensors.

Run by `make lint`. What must break a limit stands in EXCEPTIONS with its reason; an exception that is no longer needed
is an error too, so the list cannot grow old.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("syntrans", "mining", "training", "world")
FILE_LINES, FUNCTION_LINES, PARAMETERS, MODULES = 300, 40, 8, 15

# place -> why it may break a limit
EXCEPTIONS: dict[str, str] = {
    "syntrans/cli": "one file a command, and there are as many commands",
    "syntrans/cli/app.py:evaluate": "an option of the command line is a parameter",
    "syntrans/cli/app.py:train": "an option of the command line is a parameter",
    "syntrans/cli/edit.py:edit": "an option of the command line is a parameter",
    "syntrans/cli/report.py:report": "an option of the command line is a parameter",
    "syntrans/cli/predict.py:predict": "an option of the command line is a parameter",
}


def breaches() -> Iterator[tuple[str, str]]:
    """Every place that breaks a limit, and how."""
    command = ["git", "ls-files", "*.py"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    files = [ROOT / name for name in listed.stdout.split() if (ROOT / name).exists()]
    for path in files:
        lines = path.read_text(encoding="utf-8").splitlines()
        name = path.relative_to(ROOT).as_posix()
        if len(lines) > FILE_LINES:
            yield name, f"{len(lines)} lines, at most {FILE_LINES}"
        if path.relative_to(ROOT).parts[0] in PACKAGES:
            yield from _of_functions(ast.parse("\n".join(lines)), name)
    folders = Counter(path.parent for path in files if path.name != "__init__.py")
    for folder, count in folders.items():
        if count > MODULES and folder.relative_to(ROOT).parts[0] in PACKAGES:
            yield folder.relative_to(ROOT).as_posix(), f"{count} modules, at most {MODULES}"


def _of_functions(tree: ast.AST, name: str) -> Iterator[tuple[str, str]]:
    outer = [child for parent in ast.walk(tree) if not isinstance(parent, ast.FunctionDef) for child in _body(parent)]
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        place, length = f"{name}:{node.name}", (node.end_lineno or node.lineno) - node.lineno + 1
        if length > FUNCTION_LINES:
            yield place, f"{length} lines, at most {FUNCTION_LINES}"
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        taken = sum(argument.arg not in ("self", "cls") for argument in arguments)
        if taken > PARAMETERS:
            yield place, f"{taken} parameters, at most {PARAMETERS}"
        if node in outer and not node.name.startswith("_") and _takes_bare_tensor(arguments):
            yield place, "a tensor without its shape (jaxtyping)"


def _body(node: ast.AST) -> list[ast.stmt]:
    return getattr(node, "body", []) if isinstance(node, ast.Module | ast.ClassDef) else []


def _takes_bare_tensor(arguments: list[ast.arg]) -> bool:
    return any(isinstance(a.annotation, ast.Name) and a.annotation.id == "Tensor" for a in arguments)


def main() -> int:
    """Print what is wrong; 1 if anything is."""
    found: dict[str, list[str]] = {}
    for place, what in breaches():
        found.setdefault(place, []).append(what)
    wrong = [f"{place}: {what}" for place, whats in found.items() if place not in EXCEPTIONS for what in whats]
    wrong += [f"{place}: keeps all limits; take it out of EXCEPTIONS" for place in EXCEPTIONS if place not in found]
    print("\n".join([*sorted(wrong), f"limits: {len(wrong)} breaches, {len(EXCEPTIONS)} exceptions"]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
