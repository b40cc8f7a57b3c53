"""How much memory a model folder will take, from its configuration and the headers of its safetensors files."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from syntrans.errors import InputError, ModelLoadError
from syntrans.files.input_files import parse_json, read_json
from syntrans_mining.placement.memory_plan import MemoryNeed

if TYPE_CHECKING:
    from syntrans_mining.engines.base import EngineSpec

# Derived, not measured: what a process takes beside its model (libraries; on a GPU also the CUDA context).
PROCESS = {"cpu": 400 << 20, "cuda": 1 << 30}
PICTURES = 1 << 30  # a vision-language model's preprocessed pictures, see `llm_arguments`
_DTYPE_BYTES = {"float32": 4, "float": 4, "float16": 2, "half": 2, "bfloat16": 2}
_STORED_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "I8": 1, "U8": 1, "I32": 4}
_EIGHT_BIT = ("fp8", "int8", "modelopt")


def memory_need_of(spec: EngineSpec, *, device_bytes: int | None = None) -> MemoryNeed:
    """Weights, KV cache and an allowance for everything else; ModelLoadError if the folder's files do not say it.

    Where ``args.gpu_memory_utilization`` says it, the cache is what that share of ``device_bytes`` leaves for it.
    """
    try:
        return _memory_need_of(spec, device_bytes)
    except (InputError, OSError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
        raise ModelLoadError(
            f"{spec.path}: its config.json or safetensors do not say how large it is ({error}); download it again"
        ) from error


def _memory_need_of(spec: EngineSpec, device_bytes: int | None) -> MemoryNeed:
    if spec.kind not in ("vllm", "clip"):
        return MemoryNeed(spec.name, 0, 0, 0)
    folder = Path(spec.path)
    files = sorted(folder.glob("*.safetensors"))
    if spec.kind == "clip":
        return MemoryNeed(spec.name, sum(file.stat().st_size for file in files), 0, PROCESS[spec.device])
    config = read_json(folder / "config.json", "download the model again")
    text = config.get("text_config") or config
    weights = sum(_loaded_bytes(file, spec.args) for file in files)
    kv, activations = _kv_bytes(spec, text), _activations(spec, config, text)
    share = spec.args.get("gpu_memory_utilization")
    if share and device_bytes:
        kv = max(kv, int(share * device_bytes) - weights - activations)
    return MemoryNeed(spec.name, weights, kv, activations, int(text.get("num_attention_heads") or 1))


def _kv_bytes(spec: EngineSpec, text: Mapping[str, Any]) -> int:
    """The cache that is asked for, which must hold one request of the full length."""
    heads = int(text.get("num_attention_heads") or 1)
    head_dim = int(text.get("head_dim") or int(text.get("hidden_size", 0)) // heads)
    kv_heads = int(text.get("num_key_value_heads") or heads)
    per_token = 2 * int(text.get("num_hidden_layers") or 1) * kv_heads * head_dim * _width(spec.args)
    return max(int(spec.kv_gib * 2**30), per_token * int(spec.args.get("max_model_len", 4096)))


def _activations(spec: EngineSpec, config: Mapping[str, Any], text: Mapping[str, Any]) -> int:
    """One step's largest layer, the logits of all its requests twice in float32, and the process."""
    tokens = int(spec.args.get("max_num_batched_tokens") or max(8192, int(spec.args.get("max_model_len", 4096))))
    hidden, inner = int(text.get("hidden_size") or 0), int(text.get("intermediate_size") or 0)
    layer = tokens * (4 * hidden + 2 * inner) * _width(spec.args)
    logits = int(spec.args.get("max_num_seqs") or 256) * int(text.get("vocab_size") or 0) * 8
    pictures = PICTURES if "vision_config" in config else 0
    return layer + logits + PROCESS[spec.device] + pictures


def _width(args: Mapping[str, Any]) -> int:
    """Bytes of a number; vLLM's ``auto`` is a 16-bit type, whatever is stored."""
    return _DTYPE_BYTES.get(str(args.get("dtype", "auto")), 2)


def _loaded_bytes(file: Path, args: Mapping[str, Any]) -> int:
    """As they will be in memory: floating-point numbers of the dtype asked for, large matrices quantised if so."""
    quantised = any(str(args.get("quantization") or "").startswith(name) for name in _EIGHT_BIT)
    total = 0
    for tensor in _header(file).values():
        count, stored = math.prod(tensor["shape"]), _STORED_BYTES.get(tensor["dtype"], 4)
        wide = tensor["dtype"] in ("F64", "F32", "F16", "BF16")
        width = _width(args) if wide else stored
        total += count * (1 if quantised and wide and len(tensor["shape"]) > 1 else width)
    return total


def _header(file: Path) -> dict[str, Any]:
    with file.open("rb") as data:
        header = parse_json(data.read(int.from_bytes(data.read(8), "little")))
    return {name: tensor for name, tensor in header.items() if name != "__metadata__"}
