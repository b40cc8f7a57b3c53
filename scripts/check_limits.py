"""Limits that keep the code readable, checked: lines, functions, parameters, modules a folder, shapes, circles,
names, the places of tests, and that no test patches what is private.

Run by `make lint`. What must break a limit stands in EXCEPTIONS with its reason; an exception that is no longer needed
is an error too, so the list cannot grow old. How many lines of tests there are to a line of code is printed.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("syntrans", "mining", "training", "world")
FILE_LINES, FUNCTION_LINES, PARAMETERS, MODULES = 300, 40, 8, 15
VAGUE = frozenset({"found", "made", "asked", "how"})  # names of variables that do not say what they hold
ARRAYS = ("Tensor", "NDArray", "ndarray", "Array", "Labels")  # types that say no shape

# A folder -> what none of its strings may name: an import in other words. A path of the world's weights is none.
STRANGERS = {
    "mining": ("syntrans_training", "syntrans_world"),
    "training": ("syntrans_mining", "syntrans_world"),
    "world": ("syntrans_mining", "syntrans_training"),
}
WEIGHTS = "package:syntrans_world"

# The tests of a package stand in its folder of tests as its modules stand in it; other folders look at more than one.
MIRRORED = {
    "syntrans": "syntrans", "cli": "syntrans/cli", "mining": "mining/syntrans_mining",
    "training": "training/syntrans_training", "world": "world/syntrans_world",
}  # fmt: skip
WHOLE_RUNS = {
    "cli": ("first_commands", "imports", "missing_packages", "output", "quickstart", "smoke", "too_little_to_train_on"),
    "training": ("benchmarks", "benchmarks_fusion", "shape_checker"),
    "training/data": ("layouts",),
    "training/pipeline": ("class_identity", "outside"),
    "world": ("weights", "world"),
}

OPTIONS = "an option of the command line is a parameter"
# (place or file, limit) -> why the place may break it
EXCEPTIONS: dict[tuple[str, str], str] = {
    ("syntrans/cli/commands", "modules"): "a file is a command, and there are as many",
    ("syntrans/cli/commands/evaluate.py:evaluate", "parameters"): OPTIONS,
    ("syntrans/cli/commands/train.py:train", "parameters"): OPTIONS,
    ("syntrans/cli/commands/edit.py:edit", "parameters"): OPTIONS,
    ("syntrans/cli/commands/report.py:report", "parameters"): OPTIONS,
    ("syntrans/cli/commands/report.py:report", "lines"): "its options are most of them",
    ("syntrans/cli/commands/predict.py:predict", "parameters"): OPTIONS,
    ("syntrans/cli/commands/predict.py:predict", "lines"): "its options are most of them",
    **{
        (f"tests/{folder}/test_{name}.py", "mirror"): "whole runs, or all of the code at once"
        for folder, names in WHOLE_RUNS.items()
        for name in names
    },
}


class Breach(NamedTuple):
    """A place, the limit that it breaks, and how."""

    place: str
    limit: str
    reason: str


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
    every = {path: ast.parse("\n".join(lines)) for path, lines in files.items()}
    for path, tree in every.items():
        yield from _of_names(tree, path.as_posix())
    trees = {path: tree for path, tree in every.items() if path.parts[0] in PACKAGES}
    for path, tree in trees.items():
        yield from _of_functions(tree, path.as_posix())
        yield from _of_strings(tree, path.as_posix(), STRANGERS.get(path.parts[0], ()))
    yield from _circles({_module(path): tree for path, tree in trees.items()})
    yield from _strays(files)
    folders = Counter(path.parent for path in files if path.name != "__init__.py")
    for folder, count in folders.items():
        if count > MODULES and folder.parts[0] in (*PACKAGES, "benchmarks"):
            yield Breach(folder.as_posix(), "modules", f"{count} modules, at most {MODULES}")


def _of_names(tree: ast.Module, name: str) -> Iterator[Breach]:
    """Vague names of variables, parameters and functions (not of what a class has), and private names patched."""
    of_classes = {id(member) for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for member in _members(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (private := _patched(node)):
            yield Breach(name, "patches", f"line {node.lineno} patches {private}; give it a public name or an argument")
        elif _bound(node) in VAGUE and id(node) not in of_classes:
            yield Breach(name, "names", f"line {getattr(node, 'lineno', 0)}: {_bound(node)}; say what it is")


def _members(node: ast.ClassDef) -> Iterator[ast.AST]:
    for child in node.body:
        yield child
        yield from [child.target] if isinstance(child, ast.AnnAssign) else getattr(child, "targets", [])


def _bound(node: ast.AST) -> str | None:
    """The name that a node gives to something."""
    if isinstance(node, ast.Name):
        return node.id if isinstance(node.ctx, ast.Store) else None
    if isinstance(node, ast.arg):
        return node.arg
    return node.name if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else None


def _patched(node: ast.Call) -> str | None:
    """The private name that a call of some `setattr` replaces: its second argument, or the end of its first."""
    names = [a.value for a in node.args[:2] if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    if not names or not ast.unparse(node.func).endswith(".setattr"):
        return None
    name = names[0].rpartition(".")[2]
    return name if name.startswith("_") and not name.startswith("__") else None


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


def _of_strings(tree: ast.AST, name: str, strangers: tuple[str, ...]) -> Iterator[Breach]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value.replace(WEIGHTS, "")
            yield from (Breach(name, "strings", f"a string names {other}") for other in strangers if other in text)


def _circles(trees: Mapping[str, ast.AST]) -> Iterator[Breach]:
    """The first circle of modules that import each other, imports inside functions included."""
    imports = {name: set(_imported(tree, trees)) - {name} for name, tree in trees.items()}
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


def _strays(files: Iterable[Path]) -> Iterator[Breach]:
    """Tests of no module: test_x.py and test_x_y.py are of a module or folder x of their place, or of a script."""
    names: dict[Path, set[str]] = {}
    for path in files:
        names.setdefault(path.parent, set()).add(path.stem.strip("_"))
        names.setdefault(path.parent.parent, set()).add(path.parent.name)
    for path in files:
        top, *inner = path.parts[1:-1] or ("",)
        if path.parts[0] == "tests" and top in MIRRORED and path.name.startswith("test_"):
            stem = path.stem.removeprefix("test_")
            known = names.get(Path(MIRRORED[top], *inner), set()) | names.get(Path("scripts"), set())
            if not any(f"{stem}_".startswith(f"{name}_") for name in known):
                yield Breach(path.as_posix(), "mirror", "no module of that name stands where the test does")


def tests_to_code(files: Mapping[Path, list[str]]) -> float:
    """Lines of the tests over lines of the packages."""
    tests, code = (
        sum(len(lines) for path, lines in files.items() if path.parts[0] in tops) for tops in (("tests",), PACKAGES)
    )
    return tests / code


def main() -> int:
    """Print what is wrong; 1 if anything is."""
    files = read()
    all_breaches = list(breaches(files))
    broken = set[tuple[str, str]]().union(*map(_excuses, all_breaches))
    wrong = [f"{breach.place}: {breach.reason}" for breach in all_breaches if not _excuses(breach) & EXCEPTIONS.keys()]
    wrong += [f"{place}: keeps its limit of {limit}; not an exception" for place, limit in EXCEPTIONS.keys() - broken]
    print(*sorted(wrong), f"limits: {len(wrong)} breaches, {len(EXCEPTIONS)} exceptions", sep="\n")
    print(f"tests/code: {tests_to_code(files):.3f} lines")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
