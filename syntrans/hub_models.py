"""Which files of a model of the Hub are fetched: one set of its weights as safetensors, their JSON, and its card.

Many repositories hold the same weights several times: a diffusion pipeline as a checkpoint at its root and in half
precision, a language model as its makers trained it. Those are many GB that nothing here reads.
"""

import glob
import json
import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

INDEX = "model_index.json"  # of a diffusers pipeline: its parts, a folder each
_READ = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja", "README.md", "LICENSE*")
_WEIGHTS = re.compile(r"(diffusion_pytorch_)?model(-\d+-of-\d+)?\.safetensors")  # as diffusers and transformers read
_MODULE = re.compile(r"\d+_\w+")  # a folder of a sentence encoder


def wanted(names: Sequence[str], pipeline: Mapping[str, Any] | None = None) -> list[str]:
    """Those files of a repository that are read from it; `pipeline`: what its `INDEX` says, where it has one."""
    readable = [name for name in names if any(fnmatch(name.rpartition("/")[2], form) for form in _READ)]
    if pipeline is None:
        return [name for name in readable if not _is_twin(name, names)]
    parts = {name for name, value in pipeline.items() if isinstance(value, list) and value and value[0] is not None}
    return [name for name in readable if _is_of_pipeline(name, parts, names)]


def _is_twin(name: str, names: Sequence[str]) -> bool:
    """Whether weights are there once more in the form that is read, which lies at the root."""
    folder, _, file = name.rpartition("/")
    if not file.endswith(".safetensors") or not any(_WEIGHTS.fullmatch(other) for other in names):
        return False
    return file.startswith("consolidated") if not folder else not _MODULE.fullmatch(folder)


def _is_of_pipeline(name: str, parts: set[str], names: Sequence[str]) -> bool:
    folder, _, file = name.rpartition("/")
    if not folder:
        return not file.endswith(".safetensors")
    if folder not in parts:
        return False
    weights = file.removesuffix(".index.json")
    if not weights.endswith(".safetensors") or _WEIGHTS.fullmatch(weights):
        return True
    return not any(
        _WEIGHTS.fullmatch(other.rpartition("/")[2]) for other in names if other.rpartition("/")[0] == folder
    )


def is_whole(folder: Path) -> bool:
    """Whether weights, all their parts and the parts of a pipeline lie in a snapshot: a stop may have left some out."""
    try:
        for index in folder.rglob("*.safetensors.index.json"):
            shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
            if not all((index.parent / shard).exists() for shard in shards):
                return False
        if not (folder / INDEX).exists():
            return any(folder.rglob("*.safetensors"))
        pipeline = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return False
    parts = [folder / name for name, value in pipeline.items() if isinstance(value, list) and value and value[0]]
    return all(
        part.is_dir() and (not (part / "config.json").exists() or any(part.glob("*.safetensors"))) for part in parts
    )


def snapshot(repo: str, revision: str | None, *, offline: bool) -> Path:
    """The folder of a model in the local cache; unless `offline`, what it lacks is fetched.

    `OSError`, or what huggingface_hub raises, where nothing of it is there.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    here = None
    try:
        here = Path(snapshot_download(repo, revision=revision, local_files_only=True))
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError):
        if offline:
            raise
    if here is not None and (offline or is_whole(here)):
        return here
    try:
        return _fetched(repo, revision)
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError):
        if here is None:
            raise
        return here  # who loads it says what is missing


def _fetched(repo: str, revision: str | None) -> Path:
    from huggingface_hub import HfApi, hf_hub_download, snapshot_download

    try:
        names = [file.rfilename for file in HfApi().model_info(repo, revision=revision).siblings or ()]
    except Exception as error:  # the Hub's and the network's errors have no base in common
        raise OSError(f"{type(error).__name__}: {error}") from error
    pipeline = None
    if INDEX in names:
        pipeline = json.loads(Path(hf_hub_download(repo, INDEX, revision=revision)).read_text(encoding="utf-8"))
    patterns = [glob.escape(name) for name in wanted(names, pipeline)]
    return Path(snapshot_download(repo, revision=revision, allow_patterns=patterns))
