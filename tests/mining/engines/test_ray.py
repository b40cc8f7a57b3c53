"""A Ray cluster of this machine gives the answers that the local engine gives."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from syntrans.config import load_config
from syntrans_mining.config import MiningConfig
from syntrans_mining.engines.base import EngineSpec, Message, Request, Response, Sampling
from syntrans_mining.engines.workers.pool import Pool, WorkerPlan
from syntrans_mining.models import resolve_models
from syntrans_mining.requests.prompts import load_prompt

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed")
NAMES = ("goldspot", "darkwing", "longstar", "bluebell")


def world(*overrides: str) -> MiningConfig:
    return load_config(MiningConfig, "world", kind="mining/configs", overrides=list(overrides))


def questions(model: str) -> list[Request]:
    """Greedy answers in JSON, probabilities, and one request that is too long."""
    schema = load_prompt("world_propose.v1", "propose").answer_schema
    requests = [Request("long", model, (Message("user", "star " * 2000),), Sampling(8))]
    for name in NAMES:
        describe = (Message("user", f"Describe {name}."),)
        requests.append(Request(f"json {name}", model, describe, Sampling(120), schema=schema))
        is_it = (Message("user", f'Is {name} described by "a star shape"?'),)
        requests.append(Request(f"yes {name}", model, is_it, Sampling(1), yes_no=True))
    return requests


def ask(spec: EngineSpec, requests: list[Request], logs: Path) -> dict[str, Response]:
    pool = Pool([[WorkerPlan((spec,))]], logs)
    try:
        return {response.id: response for response in pool.generate(requests)}
    finally:
        pool.close()


@needs_ray
@pytest.mark.vllm
@pytest.mark.slow
@pytest.mark.usefixtures("vllm_imported")
def test_a_local_cluster_answers_like_the_local_engine(tmp_path: Path) -> None:
    local = resolve_models(world()).llms[0].spec
    cluster = resolve_models(world("engine.kind=ray")).llms[0].spec
    assert (local.kind, cluster.kind) == ("vllm", "ray")
    requests = questions(local.name)
    here, there = ask(local, requests, tmp_path / "here"), ask(cluster, requests, tmp_path / "there")
    assert set(here) == set(there) == {request.id for request in requests}
    assert there["long"].reason == "too_long"
    for key, answer in here.items():
        other = there[key]
        assert (other.text, other.finish_reason, other.error) == (answer.text, answer.finish_reason, answer.error)
        assert other.completion_tokens == answer.completion_tokens
        if answer.p_yes is not None:
            assert other.p_yes == pytest.approx(answer.p_yes, abs=1e-4)


def test_a_cluster_changes_no_key_of_the_journal() -> None:
    local, cluster = resolve_models(world()), resolve_models(world("engine.kind=ray", "engine.ray_address=auto"))
    assert [model.identity for model in local.all] == [model.identity for model in cluster.all]
    assert cluster.llms[0].spec.args["address"] == "auto"
