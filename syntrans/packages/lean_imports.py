"""Import open_clip and transformers without the packages that they load for what is not used here.

open_clip tries transformers for text towers of other kinds and for captions; transformers tries scikit-learn for one
way of decoding. What that saves is measured by `benchmarks/program/lean_imports.py`.
"""

from __future__ import annotations

import importlib
import sys
import threading
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from syntrans.files.input_files import parse_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import ModuleType

_ONE_AT_A_TIME = threading.RLock()


@contextmanager
def hidden(package: str) -> Iterator[None]:
    """Inside, `package` (a top-level name) is as if it were not installed, unless it has been imported before."""
    with _ONE_AT_A_TIME:
        if package in sys.modules:
            yield
            return
        sys.modules[package] = None  # type: ignore[assignment]  # Python's own way to forbid an import
        try:
            yield
        finally:
            if sys.modules.get(package) is None:
                sys.modules.pop(package, None)


def open_clip_for(folder: Path) -> ModuleType:
    """The package open_clip, with transformers only where the text tower of the CLIP in `folder` is one of theirs.

    CoCa models embed without transformers, too, and write no captions then. Raises `ImportError` when a package is not
    there.
    """
    if not _has_text_tower_of_transformers(folder):
        with nullcontext() if "open_clip" in sys.modules else hidden("transformers"):
            return importlib.import_module("open_clip")
    with hidden("sklearn"):
        importlib.import_module("transformers")
        towers = importlib.import_module("open_clip.hf_model")
    if towers.transformers is None:  # open_clip was opened without it
        importlib.reload(towers)
        sys.modules["open_clip.model"].HFTextEncoder = towers.HFTextEncoder  # type: ignore[attr-defined]
    return sys.modules["open_clip"]


def open_clip_tokenizer(folder: Path) -> Any:
    """The tokenizer of the CLIP in `folder`, which may be one of transformers'; raises what open_clip raises."""
    with hidden("sklearn"):
        return open_clip_for(folder).get_tokenizer(f"local-dir:{folder.resolve()}")


def _has_text_tower_of_transformers(folder: Path) -> bool:
    try:
        config = parse_json((folder / "open_clip_config.json").read_bytes())
        return bool(config["model_cfg"]["text_cfg"].get("hf_model_name"))
    except (OSError, ValueError, LookupError, TypeError, AttributeError):  # said by open_clip, in its own words
        return False
