"""How much memory a model takes is read from its folder, without loading it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from syntrans.errors import ModelLoadError
from syntrans_mining.engines.base import EngineSpec
from syntrans_mining.placement.model_sizes import PICTURES, PROCESS, memory_need_of

CONFIG = {
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "vocab_size": 100,
}
ARGS = {"max_model_len": 1000, "max_num_batched_tokens": 500, "max_num_seqs": 10}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model of 1,000 + 10 numbers that are stored in 32 bits."""
    save_file({"matrix": np.zeros((10, 100), np.float32), "bias": np.zeros(10, np.float32)}, tmp_path / "m.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    return tmp_path


def spec(folder: Path, *, kind: Any = "vllm", kv_gib: float = 0.0, **args: Any) -> EngineSpec:
    return EngineSpec("ann", kind, str(folder), kv_gib=kv_gib, args=ARGS | args)


def test_weights_are_counted_as_they_will_be_in_memory(folder: Path) -> None:
    assert memory_need_of(spec(folder)).weights == 1010 * 2
    assert memory_need_of(spec(folder, dtype="float32")).weights == 1010 * 4


def test_only_large_matrices_are_quantised(folder: Path) -> None:
    assert memory_need_of(spec(folder, quantization="fp8")).weights == 1000 + 10 * 2


def test_the_cache_holds_a_request_of_full_length_and_more_if_it_is_asked_for(folder: Path) -> None:
    per_token = 2 * 3 * 2 * (32 // 4) * 2
    assert memory_need_of(spec(folder)).kv == 1000 * per_token
    assert memory_need_of(spec(folder, kv_gib=1.0)).kv == 2**30


def test_a_share_of_the_device_is_the_cache_that_it_leaves(folder: Path) -> None:
    need = memory_need_of(spec(folder, gpu_memory_utilization=0.5), device_bytes=16 * 2**30)
    assert need.total == 8 * 2**30


def test_a_model_that_sees_has_room_for_pictures(folder: Path) -> None:
    blind = memory_need_of(spec(folder)).activations
    assert blind > PROCESS["cpu"]
    (folder / "config.json").write_text(json.dumps({"text_config": CONFIG, "vision_config": {}}))
    assert memory_need_of(spec(folder)).activations == blind + PICTURES


def test_clip_takes_its_files_and_a_process(folder: Path) -> None:
    need = memory_need_of(spec(folder, kind="clip"))
    assert (need.weights, need.kv) == ((folder / "m.safetensors").stat().st_size, 0)


def test_what_is_loaded_elsewhere_takes_nothing_here(folder: Path) -> None:
    assert memory_need_of(spec(folder, kind="openai")).total == 0


@pytest.mark.parametrize("text", ["{", "[]", '{"num_attention_heads": 0.5, "hidden_size": "wide"}'])
def test_a_folder_that_does_not_say_it_is_refused(text: str, folder: Path) -> None:
    (folder / "config.json").write_text(text)
    with pytest.raises(ModelLoadError, match="do not say how large it is"):
        memory_need_of(spec(folder))


def test_a_torn_file_of_weights_is_refused(folder: Path) -> None:
    (folder / "m.safetensors").write_bytes(b"\xff" * 20)
    with pytest.raises(ModelLoadError, match="download it again"):
        memory_need_of(spec(folder))
