"""What the engines' processes find in their environment, and what vLLM is called with."""

from __future__ import annotations

import os

import pytest

from syntrans_mining.engines.vllm import llm_arguments
from syntrans_mining.engines.workers.environment import apply_environment, worker_environment


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    fresh = {"PATH": "/bin", "VLLM_DP_RANK": "3", "VLLM_DP_SIZE": "4", "VLLM_LOGGING_LEVEL": "INFO"}
    monkeypatch.setattr(os, "environ", fresh)
    return fresh


def test_an_engine_is_private_offline_and_alone(environ: dict[str, str]) -> None:
    apply_environment()
    assert not [name for name in environ if name.startswith("VLLM_DP_")]
    assert environ["VLLM_NO_USAGE_STATS"] == environ["DO_NOT_TRACK"] == environ["HF_HUB_OFFLINE"] == "1"
    assert environ["RAY_USAGE_STATS_ENABLED"] == "0"
    assert environ["VLLM_HOST_IP"] == "127.0.0.1"
    assert environ["VLLM_ENABLE_V1_MULTIPROCESSING"] == "0"
    assert environ["VLLM_LOGGING_LEVEL"] == "INFO"  # what the user set stays


def test_a_gpu_worker_sees_its_gpus_only() -> None:
    assert worker_environment(gpus=(2,))["CUDA_VISIBLE_DEVICES"] == "2"
    several = worker_environment(gpus=(2, 3))
    assert several["CUDA_VISIBLE_DEVICES"] == "2,3"
    assert several["VLLM_ENABLE_V1_MULTIPROCESSING"] == "1"
    assert "CUDA_VISIBLE_DEVICES" not in worker_environment()


def test_reproducible_asks_for_batch_invariance_on_gpus_and_one_thread_on_cpus(environ: dict[str, str]) -> None:
    assert "VLLM_BATCH_INVARIANT" not in worker_environment(gpus=(0,))
    assert worker_environment(gpus=(0,), exact=True)["VLLM_BATCH_INVARIANT"] == "1"
    assert worker_environment(threads=8, exact=True)["OMP_NUM_THREADS"] == "1"
    assert worker_environment(threads=8)["OMP_NUM_THREADS"] == "8"
    environ["OMP_NUM_THREADS"] = "3"
    assert worker_environment(threads=8)["OMP_NUM_THREADS"] == "3"


def test_vllm_is_never_told_to_trust_code_and_reads_safetensors_only() -> None:
    values = llm_arguments(device="cuda", kv_gib=1, exact=False, args={"trust_remote_code": True, "dtype": "bfloat16"})
    assert values["trust_remote_code"] is False
    assert values["load_format"] == "safetensors"
    assert values["generation_config"] == "vllm"
    assert values["kv_cache_memory_bytes"] == 2**30
    shares = llm_arguments(device="cuda", kv_gib=1, exact=False, args={"gpu_memory_utilization": 0.2})
    assert "kv_cache_memory_bytes" not in shares


def test_reproducible_on_a_cpu_is_one_request_at_a_time_without_shared_prefixes() -> None:
    values = llm_arguments(device="cpu", kv_gib=1, exact=True, args={"max_num_seqs": 64, "max_model_len": 128})
    assert values["max_num_seqs"] == 1
    assert values["enable_prefix_caching"] is False
    assert values["max_num_batched_tokens"] == 128
