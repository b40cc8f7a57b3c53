"""The manifest of the shipped weights: what each file hashes to, which script made it, how good it was found to be."""

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
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


def measure(weights: Path, names: Collection[str]) -> dict[str, dict[str, float]]:
    """Quality of the models of these names, by the measures of measure.py and diffusion/measure.py."""
    from syntrans_world.build.diffusion.measure import measure_diffusion
    from syntrans_world.build.diffusion.vlm_probe import VlmProbe
    from syntrans_world.build.llm import RECIPES
    from syntrans_world.build.measure import measure_clip, measure_llm, measure_vlm

    measures: dict[str, Callable[[Path], dict[str, float]]] = {recipe.name: measure_llm for recipe in RECIPES}
    measures |= {"vlm": measure_vlm, "clip": measure_clip}
    measures["diffusion"] = lambda folder: measure_diffusion(folder, weights / "clip", probe=VlmProbe(weights / "vlm"))
    return {name: measured(weights / name) for name, measured in measures.items() if name in names}


def write_manifest(weights: Path) -> None:
    """Measure the models whose files are not those of the manifest beside them, and write it anew."""
    files, before = file_hashes(weights), _before(weights)
    models = {Path(path).parts[0] for path in files}
    same = {name for name in models if _of(files, name) == _of(before["files"], name) and name in before["quality"]}
    kept = {name: quality for name, quality in before["quality"].items() if name in same}
    manifest = {
        "build_version": BUILD_VERSION,
        "world_seed": WORLD_SEED,
        "command": "python -m syntrans_world.build",
        "quality": kept | measure(weights, models - same),
        "files": files,
    }
    (weights / NAME).write_text(json.dumps(manifest, indent=2) + "\n")


def _before(weights: Path) -> dict[str, Any]:
    path = weights / NAME
    before: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    return before if before.get("build_version") == BUILD_VERSION else {"files": {}, "quality": {}}


def _of(files: Mapping[str, Any], model: str) -> dict[str, Any]:
    return {path: entry for path, entry in files.items() if Path(path).parts[0] == model}
