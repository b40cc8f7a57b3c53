"""The server engine against a real vLLM server of a world model: one server, and a run that asks it.

The server is started by its module: the command ``vllm serve`` of the CPU build looks up its own version under the
name of the other build and ends. What it runs is this module.
"""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from syntrans.config import load_config
from syntrans.contract.reading import read_descriptors
from syntrans.errors import ModelLoadError
from syntrans.images.class_lists import read_classes
from syntrans.progress import Silent
from syntrans_mining.config import MiningConfig
from syntrans_mining.engines.base import Message, Request, Sampling
from syntrans_mining.engines.server.openai import OpenAIEngine
from syntrans_mining.engines.workers.environment import worker_environment
from syntrans_mining.models import resolve_models
from syntrans_mining.requests.prompts import load_prompt
from syntrans_mining.run.mine import mine

pytestmark = pytest.mark.vllm
START_SECONDS = 240


@pytest.fixture(scope="module")
def key() -> str:
    return f"sk-{secrets.token_hex(16)}"


@pytest.fixture(scope="module")
def server(key: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server of llm-a; it wants the key."""
    config = load_config(MiningConfig, "world", kind="mining/configs")
    path = resolve_models(config).llms[0].spec.path
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "vllm.entrypoints.openai.api_server",
        "--model",
        path,
        "--served-model-name",
        "llm-a",
    ]
    command += ["--host", "127.0.0.1", "--port", str(port), "--dtype", "float32", "--max-model-len", "512"]
    command += ["--enforce-eager", "--load-format", "safetensors", "--generation-config", "vllm"]
    environment = {**os.environ, **worker_environment(), "VLLM_API_KEY": key, "VLLM_CPU_KVCACHE_SPACE": "1"}
    environment |= {"VLLM_ENABLE_V1_MULTIPROCESSING": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind"}
    environment |= {"TORCH_COMPILE_DISABLE": "1"}  # it would take ten seconds over a helper
    log = tmp_path_factory.mktemp("server") / "log.txt"
    with log.open("w") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output, start_new_session=True)
    try:
        _wait_for(f"http://127.0.0.1:{port}/health", process, log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()[-2000:]
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.5)
    pytest.fail(f"no server within {START_SECONDS} s: {log.read_text()[-2000:]}")


@pytest.fixture
def engine(server: str, key: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIEngine]:
    monkeypatch.setenv("SERVER_KEY", key)
    with closing(OpenAIEngine("llm-a", base_url=server, api_key_env="SERVER_KEY")) as engine:
        yield engine


def test_it_answers_in_json_and_with_the_probability_of_yes(engine: OpenAIEngine) -> None:
    schema = load_prompt("world_propose.v1", "propose").answer_schema
    requests = [
        Request("json", "llm-a", (Message("user", "Describe goldspot."),), Sampling(200, 1.0, seed=3), schema=schema),
        Request("yes", "llm-a", (Message("user", 'Is it described by "a star"?'),), Sampling(1), yes_no=True),
        Request("long", "llm-a", (Message("user", "star " * 2000),), Sampling(8)),
    ]
    answers = {response.id: response for response in engine.generate(requests)}
    assert answers["json"].text.startswith("{")
    assert answers["json"].completion_tokens > 0
    assert answers["yes"].p_yes is not None
    assert 0 < answers["yes"].p_yes < 1
    assert (answers["long"].transient, answers["long"].reason) == (False, "too_long")


def test_a_wrong_key_is_said_before_anything_is_asked(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVER_KEY", "sk-wrong")
    with pytest.raises(ModelLoadError, match="AuthenticationError.*put its key into the variable SERVER_KEY"):
        OpenAIEngine("llm-a", base_url=server, api_key_env="SERVER_KEY", retries=0)


def test_a_run_on_a_server_writes_its_files_and_the_key_nowhere(
    server: str, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVER_KEY", key)
    settings = ["engine.kind=openai", f"engine.base_url={server}", "engine.api_key_env=SERVER_KEY", "engine.workers=0"]
    world = load_config(
        MiningConfig,
        "world",
        kind="mining/configs",
        overrides=[*settings, "engine.args={}", "crosscheck.calibration=null"],
    )
    values = world.model_dump(mode="json", exclude_defaults=True)
    values |= {"vlm": None, "llms": [{"name": "llm-a", "path": "llm-a"}]}
    config = MiningConfig.model_validate(values)
    result = mine(config, read_classes("world"), None, tmp_path / "run", limit=2, progress=Silent())
    rows, _ = read_descriptors(result.descriptors)
    assert {author.model for row in rows for author in row.authors} == {"llm-a"}
    assert any(row.kept for row in rows)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 3
    assert not [path for path in files if key.encode() in path.read_bytes()]
