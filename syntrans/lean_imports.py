"""Import open_clip and transformers without the packages that they load for what is not used here.

open_clip tries transformers for text towers of other kinds and for captions; transformers tries scikit-learn for one
way of decoding. Together that is half of the time of their imports (`benchmarks/program/lean_imports.py`).
"""

from __future__ import annotations

import importlib
import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import ModuleType


@contextmanager
def hidden(package: str) -> Iterator[None]:
    """Inside, `package` (a top-level name) is as if it were not installed, unless it has been imported before."""
    if package in sys.modules:
        yield
        return
    sys.modules[package] = None  # type: ignore[assignment]  # Python's own way to forbid an import
    try:
        yield
    finally:
        del sys.modules[package]


def open_clip_for(folder: Path) -> ModuleType:
    """The package open_clip, with transformers only where the text tower of the CLIP in `folder` is one of theirs.

    Raises `ImportError` when a package is not there.
    """
    if not _has_text_tower_of_transformers(folder):
        with hidden("transformers"):
            return importlib.import_module("open_clip")
    importlib.import_module("transformers")
    towers = importlib.import_module("open_clip.hf_model")
    if towers.transformers is None:  # open_clip was opened without it
        importlib.reload(towers)
    return importlib.import_module("open_clip")


def _has_text_tower_of_transformers(folder: Path) -> bool:
    try:
        config = json.loads((folder / "open_clip_config.json").read_text(encoding="utf-8"))
        return bool(config["model_cfg"]["text_cfg"].get("hf_model_name"))
    except (OSError, ValueError, LookupError, TypeError, AttributeError):  # said by open_clip, in its own words
        return False
