"""The manifest of the shipped weights: what each file hashes to, which script made it, how good it was found to be."""

import hashlib
import json
from pathlib import Path
from typing import Any

from syntrans_world.spec import WORLD_SEED

BUILD_VERSION = 1  # raise it when a change of the build scripts changes the weights
NAME = "manifest.json"


def file_hashes(weights: Path) -> dict[str, dict[str, Any]]:
    """Relative path -> {sha256, bytes} of every file below `weights` but the manifest itself."""
    return {
        str(path.relative_to(weights).as_posix()): {
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "bytes": path.stat().st_size,
        }
        for path in sorted(weights.rglob("*"))
        if path.is_file() and path.name != NAME
    }


def measure(weights: Path) -> dict[str, dict[str, float]]:
    """Quality of every model, by the measures of measure.py."""
    from syntrans_world.build.llm import RECIPES
    from syntrans_world.build.measure import measure_clip, measure_llm, measure_vlm

    quality = {recipe.name: measure_llm(weights / recipe.name) for recipe in RECIPES}
    quality["vlm"] = measure_vlm(weights / "vlm")
    quality["clip"] = measure_clip(weights / "clip")
    return quality


def write_manifest(weights: Path) -> None:
    """Measure all models and write manifest.json beside them."""
    manifest = {
        "build_version": BUILD_VERSION,
        "world_seed": WORLD_SEED,
        "command": "python -m syntrans_world.build",
        "quality": measure(weights),
        "files": file_hashes(weights),
    }
    (weights / NAME).write_text(json.dumps(manifest, indent=2) + "\n")
