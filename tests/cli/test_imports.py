"""Who imports whom, and what `import syntrans.cli.app` costs."""

from __future__ import annotations

import subprocess
import sys
from pkgutil import walk_packages

import pytest

import syntrans
from syntrans.cli.commands import COMMANDS

HEAVY = ("torch", "vllm", "transformers", "open_clip", "datasets", "pyarrow", "pydantic", "numpy", "PIL", "sklearn")


def loaded_by(module: str, names: tuple[str, ...]) -> list[str]:
    code = f"import sys, {module}; print(*[name for name in {names!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


def loaded_by_help_of(*commands: str) -> list[str]:
    """What of HEAVY the help of these commands loads, in one process."""
    code = (
        f"import sys; from syntrans.cli.app import run; ended = [run([*c.split(), '--help']) for c in {commands!r}]; "
        f"print(*set(ended), *set({HEAVY!r}) & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Usage: ")
    code, *loaded = done.stdout.splitlines()[-1].split()
    assert code == "0"
    return loaded


def test_the_command_line_imports_nothing_heavy() -> None:
    assert loaded_by("syntrans.cli.app", HEAVY) == []


def test_help_imports_nothing_heavy() -> None:
    """What makes `syntrans --help` quick; how quick it is on this machine, benchmarks/program/run.py measures."""
    assert loaded_by_help_of("") == []


def test_the_help_of_a_command_imports_nothing_heavy() -> None:
    """Completion begins as help does. Typer itself takes pydantic for numbers with bounds."""
    assert loaded_by_help_of(*COMMANDS) in ([], ["pydantic"])


def test_a_list_of_commands_imports_no_command() -> None:
    code = "import sys; from syntrans.cli.app import run; run(['--help']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.splitlines()[-1].split()
    assert [name for name in loaded if name.startswith("syntrans.cli.commands.")] == []


@pytest.mark.parametrize("module", ["syntrans_mining", "syntrans_training"])
def test_the_packages_themselves_import_nothing_heavy(module: str) -> None:
    assert loaded_by(module, HEAVY) == []


def test_no_module_of_the_foundation_imports_torch_or_vllm() -> None:
    modules = [module.name for module in walk_packages(syntrans.__path__, "syntrans.") if not module.ispkg]
    foundation = [name for name in modules if not name.startswith("syntrans.cli.") and name != "syntrans.__main__"]
    assert "syntrans.contract.schemas" in foundation
    assert loaded_by(", ".join(foundation), ("torch", "vllm", "transformers", "open_clip", "datasets")) == []


def test_the_page_of_a_run_needs_no_package_of_an_extra() -> None:
    modules = "syntrans.views.report.runs, syntrans.views.report.live"
    assert loaded_by(modules, ("torch", "transformers", "sklearn", "matplotlib", "fastapi", "onnxruntime")) == []
